// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirCurl
internal import WeirStorage

/// Where a bucket is and how to speak to it.
public struct S3Settings: Sendable {
  public var bucket: String
  /// Comes before every path to make the object's key: empty, or a folder that ends with `/`.
  public var keyPrefix = ""
  /// `http(s)://host[:port]` of another service than AWS; `nil` for AWS in `region`.
  public var endpoint: String?
  public var region = "us-east-1"
  /// True for `host/bucket/key`, false for `bucket.host/key`; `nil` for the former with an endpoint or
  /// a bucket whose name holds a dot (no certificate fits it), and else for the latter.
  public var usesPathStyle: Bool?
  public var credentials: S3CredentialSource

  public var retries = RetryPolicy()
  /// Bytes of one part of an object that is written in parts. Not below 5 MiB, which S3 demands. An
  /// object has at most 10,000 parts, so that 8 MiB give 78 GiB.
  public var partBytes = 8 << 20
  /// Objects up to this size that are written on a condition are sent in one request, because not every
  /// service checks conditions of objects in parts.
  public var conditionalPutBytesMax = 64 << 20
  /// The longest object that `get` without a range reads.
  public var getBytesMax = 16 << 30
  /// Bytes at an object's end that `open` reads along: where Parquet has its footer.
  public var tailBytes = 64 << 10

  public init(bucket: String, credentials: S3CredentialSource) {
    self.bucket = bucket
    self.credentials = credentials
  }

  /// Requests under way at once for one reading of many ranges.
  public var readThreadCountMax = 8

  static let partCountMax = 10_000
  static let partBytesMin = 5 << 20
  /// No service takes more in one put.
  static let putBytesMax = 5 << 30

  func check() throws(StorageError) {
    func fail(_ message: String) -> StorageError {
      StorageError(.invalidArgument, operation: "open", path: "s3://\(bucket)", message)
    }
    let legal = bucket.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
      default: false
      }
    }
    guard legal, (1...255).contains(bucket.utf8.count), bucket != ".", bucket != ".." else {
      throw fail("a bucket's name has letters, digits, '-', '.' and '_' only")
    }
    guard keyPrefix.isEmpty || keyPrefix.hasSuffix("/") else {
      throw fail("the prefix of keys '\(keyPrefix)' does not end with /")
    }
    guard partBytes >= Self.partBytesMin, partBytes <= Self.putBytesMax,
      (0...Self.putBytesMax).contains(conditionalPutBytesMax), tailBytes >= 0, getBytesMax >= 0
    else { throw fail("a part has 5 MiB to 5 GiB, and other sizes are not negative") }
    _ = try S3Address(self)
  }
}

/// The parts of the addresses of a bucket's objects.
struct S3Address: Sendable {
  let scheme: String
  /// With the port where the scheme's own is not meant: as in the header `Host`.
  let host: String
  /// Comes before `/key`: `/bucket`, or nothing.
  let basePath: String

  init(_ settings: S3Settings) throws(StorageError) {
    let bucket = settings.bucket
    func fail(_ endpoint: String) -> StorageError {
      StorageError(
        .invalidArgument, operation: "open", path: "s3://\(bucket)",
        "the endpoint '\(endpoint)' is not of the form http(s)://host[:port]")
    }
    var host: String
    if let endpoint = settings.endpoint {
      let lower = endpoint.lowercased()
      guard lower.hasPrefix("https://") || lower.hasPrefix("http://") else { throw fail("…") }
      scheme = lower.hasPrefix("https://") ? "https" : "http"
      host = String(endpoint.dropFirst(scheme.count + 3))
      while host.hasSuffix("/") { host.removeLast() }
      let legal = host.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x3a, 0x5b, 0x5d: true
        default: false
        }
      }
      // What is refused may hold a password, and is not shown.
      guard legal, !host.isEmpty else { throw fail("\(scheme)://…") }
      let ownPort = scheme == "https" ? ":443" : ":80"
      if host.hasSuffix(ownPort) { host.removeLast(ownPort.count) }
    } else {
      let legal = settings.region.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
      }
      guard legal, !settings.region.isEmpty else {
        throw StorageError(
          .invalidArgument, operation: "open", path: "s3://\(bucket)",
          "the region '\(settings.region)' is none")
      }
      scheme = "https"
      let domain = settings.region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
      host = "s3.\(settings.region).\(domain)"
    }
    let dotted = bucket.utf8.contains(UInt8(ascii: "."))
    if settings.usesPathStyle ?? (settings.endpoint != nil || dotted) {
      basePath = "/" + bucket
    } else {
      basePath = ""
      host = "\(bucket).\(host)"
    }
    self.host = host
  }

  /// The encoded path of an object, or of the bucket when `key` is `nil`.
  func path(key: String?) -> String {
    guard let key else { return basePath.isEmpty ? "/" : basePath }
    return "\(basePath)/\(PercentEncoding.encode(key, keeping: "/"))"
  }
}
