// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import WeirStorageS3
internal import _WeirTestSupport

/// The S3 server of these tests: `dev/radosgw start` starts one, and `dev/test` does so by itself.
enum S3Server {
  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  static var isThere: Bool { variable("WEIR_S3_ENDPOINT") != nil }

  /// All tests share its connections, as all stores of a process should.
  static let client = HTTPClient()

  /// Settings for a folder of its own in the bucket, which is made when it is missing.
  static func settings() throws -> S3Settings {
    var settings = S3Settings(
      bucket: variable("WEIR_S3_BUCKET") ?? "weir-test",
      credentials: .fixed(
        S3Credentials(
          accessKey: variable("WEIR_S3_ACCESS_KEY") ?? "",
          secretKey: variable("WEIR_S3_SECRET_KEY") ?? "")))
    settings.endpoint = variable("WEIR_S3_ENDPOINT")
    settings.keyPrefix = "run \(UInt64.random(in: .min ... .max))+%/"
    try bucket.get()
    return settings
  }

  private static let bucket = Result {
    var settings = S3Settings(
      bucket: variable("WEIR_S3_BUCKET") ?? "weir-test",
      credentials: .fixed(
        S3Credentials(
          accessKey: variable("WEIR_S3_ACCESS_KEY") ?? "",
          secretKey: variable("WEIR_S3_SECRET_KEY") ?? "")))
    settings.endpoint = variable("WEIR_S3_ENDPOINT")
    try S3ObjectStore(settings: settings, transport: client).createBucket()
  }

  static func store(_ transport: (any HTTPTransport)? = nil) throws -> S3ObjectStore {
    try S3ObjectStore(settings: settings(), transport: transport ?? client)
  }
}

/// For the shared tests of stores.
enum StoreKind: Sendable {
  case radosgw

  /// None without a server, so that the tests run over nothing.
  static var allCases: [StoreKind] { S3Server.isThere ? [.radosgw] : [] }

  var isFast: Bool { false }
  var hasFolders: Bool { false }

  /// A put tells the time of its answer.
  func agree(_ put: ObjectMetadata, _ later: ObjectMetadata) -> Bool {
    var put = put
    let took = put.lastModified - later.lastModified
    put.lastModified = later.lastModified
    return put == later && (-1_000_000_000...30_000_000_000).contains(took)
  }

  func make(_ folder: TemporaryFolder) throws -> any ObjectStore { try S3Server.store() }
}

@Test(
  .enabled(
    if: S3Server.isThere,
    "no S3 server: 'dev/radosgw start DIR', then export what is in DIR/env; dev/test does it"))
func serverIsThere() throws {
  let store = try S3Server.store()
  try store.put("hello", Buffer("x"))
  #expect(try store.get("hello").text == "x")
}
