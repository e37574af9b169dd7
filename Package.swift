// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
//
// The one picture of how these targets depend on each other is docs/architecture.md.
import PackageDescription

/// Settings shared by every Swift target of Weir.
var weirSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

// Warnings are errors with the compilers that CI knows; a newer one may find more to warn about and must
// still build. WEIR_WARNINGS=allow leaves them as warnings while something is being written.
#if compiler(<6.4)
  let warningsAreErrors = Context.environment["WEIR_WARNINGS"] != "allow"
#else
  let warningsAreErrors = false
#endif
if warningsAreErrors { weirSettings.append(.treatAllWarnings(as: .error)) }

/// Set by dev/fuzz.
let isSanitized = Context.environment["WEIR_SANITIZED"] != nil

let package = Package(
  name: "weir",
  products: [
    .executable(name: "weir", targets: ["weir"]),
    .library(name: "WeirC", type: .dynamic, targets: ["WeirC"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.81.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.26.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
  ],
  targets: [
    // Debian's codec libraries.
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CSnappy", providers: [.apt(["libsnappy-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CDeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CBrotli", providers: [.apt(["libbrotli-dev"])]),
    .systemLibrary(name: "CRocksDB", providers: [.apt(["librocksdb-dev"])]),
    .systemLibrary(name: "CRdKafka", providers: [.apt(["librdkafka-dev"])]),
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CJemalloc", providers: [.apt(["libjemalloc-dev"])]),

    // C: SIMD kernels that Swift was measured slower at, and the public C header.
    .target(
      name: "CWeirKernels", cSettings: [.unsafeFlags(["-O3"], .when(configuration: .debug))]),
    .target(name: "CWeir", dependencies: ["CWeirKernels"]),
    // Libraries that are looked for when first used, so that nobody needs them who does not.
    .target(name: "CWeirCurl"),
    .target(name: "CWeirPostgres"),
    .target(name: "CWeirOnnx"),

    .target(
      name: "WeirCompression",
      dependencies: ["CZstd", "CLZ4", "CSnappy", "CZlib", "CDeflate", "CBrotli"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirColumnar", dependencies: ["WeirCompression", "CWeirKernels"],
      swiftSettings: weirSettings),
    .target(name: "WeirStorage", dependencies: ["WeirColumnar"], swiftSettings: weirSettings),
    .target(
      name: "WeirParquet",
      dependencies: ["WeirColumnar", "WeirCompression", "WeirStorage", "CWeirKernels"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirFile",
      dependencies: ["WeirColumnar", "WeirCompression", "WeirStorage", "CWeirKernels"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirCurl", dependencies: ["CWeirCurl", "WeirColumnar"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirVector", dependencies: ["WeirColumnar", "CWeirKernels"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirStorageS3", dependencies: ["WeirColumnar", "WeirStorage", "WeirCurl"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirTable",
      dependencies: [
        "WeirColumnar", "WeirCompression", "WeirFile", "WeirParquet", "WeirStorage", "CWeirKernels",
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirCatalogSQL",
      dependencies: ["WeirColumnar", "WeirStorage", "WeirTable", "CSQLite", "CWeirPostgres"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirCatalogREST",
      dependencies: ["WeirColumnar", "WeirStorage", "WeirTable", "WeirCurl"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirConnect",
      dependencies: [
        "WeirColumnar", "WeirStorage", "WeirStorageS3", "WeirTable", "WeirCatalogSQL",
        "WeirCatalogREST", "WeirCurl",
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirStreaming",
      dependencies: [
        "WeirColumnar", "WeirCompression", "WeirStorage", "WeirParquet", "WeirTable", "CRocksDB",
        "CWeirKernels",
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirLogKafka",
      dependencies: ["WeirColumnar", "WeirTable", "WeirStreaming", "CRdKafka"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirPipelines", dependencies: ["WeirColumnar", "WeirTable", "WeirStreaming"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirRanker",
      dependencies: ["CWeirOnnx", "WeirColumnar", "WeirTable", "WeirStreaming", "WeirVector"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirServing",
      dependencies: [
        "WeirColumnar", "WeirTable", "WeirStreaming", "WeirPipelines", "WeirRanker", "WeirVector",
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirProject",
      dependencies: [
        "WeirColumnar", "WeirTable", "WeirStreaming", "WeirPipelines", "WeirRanker", "WeirServing",
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirHTTP",
      dependencies: [
        "WeirColumnar", "WeirCompression", "WeirStorage", "WeirTable", "WeirStreaming",
        "WeirPipelines", "WeirServing",
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: weirSettings),
    .target(
      name: "WeirWorld",
      dependencies: ["WeirColumnar", "WeirCompression", "WeirParquet", "WeirStorage"],
      swiftSettings: weirSettings),
    .target(
      name: "WeirC",
      dependencies: [
        "CWeir", "CWeirKernels", "WeirColumnar", "WeirCompression", "WeirFile", "WeirParquet",
        "WeirStorage", "WeirTable", "WeirConnect",
      ],
      exclude: ["exports.map"],
      swiftSettings: weirSettings,
      linkerSettings: [
        // The library shows weir_* and nothing of Swift or of the codecs.
        // A symbol that no library has is an error now, not when somebody loads it.
        .unsafeFlags([
          "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/WeirC/exports.map",
        ]),
        // A sanitizer's functions come from the program.
        .unsafeFlags(isSanitized ? [] : ["-Xlinker", "-z", "-Xlinker", "defs"]),
      ]),
    .executableTarget(
      name: "weir",
      dependencies: [
        "CJemalloc", "WeirColumnar", "WeirCompression", "WeirFile", "WeirParquet", "WeirStorage",
        "WeirWorld", "WeirTable", "WeirConnect", "WeirHTTP", "WeirStreaming", "WeirLogKafka",
        "WeirPipelines", "WeirProject", "WeirCurl", "WeirRanker", "WeirServing",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: weirSettings),

    .target(
      name: "_WeirTestSupport", dependencies: ["WeirColumnar", "WeirStorage"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirCompressionTests", dependencies: ["WeirCompression", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirColumnarTests",
      dependencies: ["WeirColumnar", "CWeirKernels", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirStorageTests", dependencies: ["WeirStorage", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirParquetTests",
      dependencies: ["WeirParquet", "CWeirKernels", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirFileTests",
      dependencies: [
        "WeirFile", "WeirColumnar", "WeirStorage", "CWeirKernels", "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirTableTests", dependencies: ["WeirTable", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirStreamingTests",
      dependencies: [
        "WeirStreaming", "WeirColumnar", "WeirStorage", "WeirTable", "CWeirKernels",
        "_WeirSimulation", "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirPipelinesTests",
      dependencies: [
        "WeirPipelines", "WeirStreaming", "WeirColumnar", "WeirStorage", "WeirTable",
        "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirVectorTests",
      dependencies: ["WeirVector", "WeirColumnar", "CWeirKernels", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirRankerTests",
      dependencies: [
        "WeirRanker", "WeirVector", "WeirStreaming", "WeirColumnar", "WeirStorage", "WeirTable",
        "_WeirTestSupport",
      ],
      exclude: ["Models"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirServingTests",
      dependencies: [
        "WeirServing", "WeirPipelines", "WeirStreaming", "WeirColumnar", "WeirStorage",
        "WeirTable", "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .target(
      name: "_WeirSimulation",
      dependencies: [
        "WeirPipelines", "WeirStreaming", "WeirColumnar", "WeirStorage", "WeirTable",
        "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .executableTarget(
      name: "weir_simulate", dependencies: ["CJemalloc", "_WeirSimulation"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "SimulationTests",
      dependencies: ["_WeirSimulation", "WeirColumnar", "WeirStreaming", "WeirTable"],
      swiftSettings: weirSettings),
    // A Kafka broker for tests: librdkafka's own, in a process of its own.
    .executableTarget(
      name: "weir_kafka_broker", dependencies: ["CRdKafka"],
      linkerSettings: [.linkedLibrary("rdkafka")]),
    .testTarget(
      name: "WeirLogKafkaTests",
      dependencies: [
        "WeirLogKafka", "WeirStreaming", "WeirColumnar", "WeirStorage", "WeirTable", "CRdKafka",
        "weir_kafka_broker", "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirProjectTests",
      dependencies: [
        "WeirProject", "WeirPipelines", "WeirRanker", "WeirServing", "WeirStreaming", "WeirTable",
        "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirHTTPTests",
      dependencies: [
        "WeirHTTP", "_WeirTestSupport", .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirCatalogSQLTests", dependencies: ["WeirCatalogSQL", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirCatalogRESTTests",
      dependencies: [
        "WeirCatalogREST", "WeirCurl", "WeirHTTP", "WeirTable", "_WeirTestSupport",
      ],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirConnectTests", dependencies: ["WeirConnect", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirCurlTests", dependencies: ["WeirCurl", "WeirColumnar", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirStorageS3Tests",
      dependencies: ["WeirStorageS3", "WeirCurl", "WeirStorage", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "WeirWorldTests", dependencies: ["WeirWorld", "_WeirTestSupport"],
      swiftSettings: weirSettings),
    .testTarget(
      name: "weirTests", dependencies: ["weir", "_WeirTestSupport"], swiftSettings: weirSettings),
  ]
)
