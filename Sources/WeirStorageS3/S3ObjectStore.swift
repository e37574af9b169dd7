// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirCurl
public import WeirStorage

/// Objects in a bucket of S3, or of a service that speaks like it. Threads may share it.
///
/// What is particular here, beside the contract of `ObjectStore`:
/// - Etags are S3's, without their quotes.
/// - An object may have the path of a folder of others: S3 knows no folders, so that nothing is
///   `pathConflict`.
/// - A reader that has been open while its object was replaced or deleted throws `changed`, except for
///   the tail that it has read already: S3 keeps no former versions.
/// - Objects whose keys are no legal paths, such as the folder markers `a/` of other tools, are not
///   listed.
/// - A put whose answer was lost is looked for before it is sent again or reported: every object carries
///   a random name of its put in `x-amz-meta-weir-put`.
/// - A writer that is killed in the middle of a large object leaves parts that cost money and are not
///   listed: let the bucket's lifecycle abort incomplete uploads.
public final class S3ObjectStore: ObjectStore {
  /// Names one put, to recognise it when its answer was lost.
  static let putNameHeader = "x-amz-meta-weir-put"

  let client: S3Client
  var settings: S3Settings { client.settings }

  /// Checks the settings; no request is sent yet.
  public init(
    settings: S3Settings, transport: any HTTPTransport = HTTPClient(),
    clock: ClientClock = .system
  ) throws(StorageError) {
    try settings.check()
    client = S3Client(settings: settings, transport: transport, clock: clock)
  }

  /// Makes the bucket unless the caller has it already.
  public func createBucket() throws(StorageError) {
    var call = S3Call(method: "PUT", operation: "create bucket", path: settings.bucket)
    call.body = []
    if settings.endpoint == nil, settings.region != "us-east-1" {
      let text =
        "<CreateBucketConfiguration><LocationConstraint>\(settings.region)</LocationConstraint>"
        + "</CreateBucketConfiguration>"
      call.body = [Buffer(Array(text.utf8))]
    }
    let answer = try client.send(call)
    if let fault = answer.fault, fault.code != "BucketAlreadyOwnedByYou" {
      throw client.storageError(answer, call)
    }
  }

  func key(_ path: String) -> String { settings.keyPrefix + path }

  public func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    try ObjectPath.check(path, operation: "head")
    return try headAnswer(path, operation: "head").metadata
  }

  /// What is known about the object, and the name of the put that made it.
  func headAnswer(
    _ path: String, operation: String
  ) throws(StorageError) -> (metadata: ObjectMetadata, putName: String?) {
    let call = S3Call(method: "HEAD", key: key(path), operation: operation, path: path)
    let answer = try client.send(call)
    guard answer.fault == nil else {
      if answer.status == 404 { throw .notFound(path, operation: operation) }
      throw client.storageError(answer, call)
    }
    let headers = answer.response.headers
    guard let size = headers["Content-Length"].flatMap({ Int($0) }), size >= 0 else {
      throw incomprehensible(call, "it tells no size of the object")
    }
    return (
      try metadata(path, size: size, headers, call), headers[Self.putNameHeader]
    )
  }

  /// The metadata in the head of an answer.
  func metadata(
    _ path: String, size: Int, _ headers: HTTPHeaders, _ call: S3Call
  ) throws(StorageError) -> ObjectMetadata {
    guard let etag = headers["ETag"] else { throw incomprehensible(call, "it has no ETag") }
    let modified = (headers["Last-Modified"] ?? headers["Date"]).flatMap(S3Time.http)
    return ObjectMetadata(
      path: path, size: size, etag: Self.unquoted(etag), lastModified: modified ?? client.now)
  }

  static func unquoted(_ etag: String) -> String {
    etag.utf8.count >= 2 && etag.hasPrefix("\"") && etag.hasSuffix("\"")
      ? String(etag.dropFirst().dropLast()) : etag
  }

  func incomprehensible(_ call: S3Call, _ what: String) -> StorageError {
    StorageError(
      .io, operation: call.operation, path: call.path,
      "the answer of s3://\(settings.bucket) is not understood: \(what); check that the endpoint "
        + "speaks S3")
  }

  public func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    try ObjectPath.check(path, operation: "get")
    if let range { return try S3Range.read(path, range, etag: nil, in: self, operation: "get") }
    var call = S3Call(method: "GET", key: key(path), operation: "get", path: path)
    call.answerBytesMax = settings.getBytesMax
    let answer = try client.send(call)
    guard answer.fault == nil else { throw client.storageError(answer, call) }
    return answer.response.body
  }

  public func open(_ path: String) throws(StorageError) -> any ObjectReader {
    try ObjectPath.check(path, operation: "open")
    return try S3Range.open(path, in: self)
  }

  public func delete(_ path: String) throws(StorageError) {
    try ObjectPath.check(path, operation: "delete")
    let call = S3Call(method: "DELETE", key: key(path), operation: "delete", path: path)
    let answer = try client.send(call)
    guard answer.fault == nil || answer.fault?.code == "NoSuchKey" else {
      throw client.storageError(answer, call)
    }
  }

  /// The most objects that one request deletes.
  static let deleteCountMax = 1_000

  public func delete(_ paths: [String]) throws(StorageError) {
    for path in paths { try ObjectPath.check(path, operation: "delete") }
    for start in stride(from: 0, to: paths.count, by: Self.deleteCountMax) {
      try deleteSome(paths[start..<min(start + Self.deleteCountMax, paths.count)])
    }
  }

  private func deleteSome(_ paths: ArraySlice<String>) throws(StorageError) {
    guard let first = paths.first else { return }
    if paths.count == 1 { return try delete(first) }
    var text = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
    for path in paths { text += "<Object><Key>\(Self.escaped(key(path)))</Key></Object>" }
    text += "</Delete>"
    var call = S3Call(method: "POST", query: [("delete", "")], operation: "delete", path: first)
    let body = Buffer(Array(text.utf8))
    call.body = [body]
    call.headers = [
      ("Content-Type", "application/xml"), ("Content-MD5", Base64.encode(MD5.digest(of: [body]))),
    ]
    let answer = try client.send(call)
    guard answer.fault == nil else { throw client.storageError(answer, call) }
    guard let root = XMLElement.parse(answer.response.body.array(of: UInt8.self)) else {
      throw incomprehensible(call, "its list of failures is no XML")
    }
    for error in root.children where error.name == "Error" {
      let code = error.text(of: "Code") ?? ""
      if code == "NoSuchKey" { continue }
      throw StorageError(
        code == "AccessDenied" ? .permissionDenied : .io, operation: "delete",
        path: S3Client.printable(error.text(of: "Key") ?? first, 1_024),
        "s3://\(settings.bucket): the service answered \(S3Client.printable(code, 100)) ("
          + "\(S3Client.printable(error.text(of: "Message") ?? "", 300))); others of the same request "
          + "may be gone")
    }
  }

  /// `text` within an element.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\r": result += "&#13;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
