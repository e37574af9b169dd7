// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirCurl
public import WeirStorage

extension S3ObjectStore {
  public func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    try ObjectPath.check(path, operation: "put")
    if bytes.count > max(settings.conditionalPutBytesMax, settings.partBytes) {
      let writer = S3Writer(store: self, path: path, condition: condition)
      try writer.append(bytes)
      return try writer.finish()
    }
    return try putAtOnce(path, [bytes], condition: condition, operation: "put")
  }

  public func create(
    _ path: String, condition: PutCondition
  ) throws(StorageError) -> any ObjectWriter {
    try ObjectPath.check(path, operation: "create")
    try checkNow(path, condition, operation: "create")
    return S3Writer(store: self, path: path, condition: condition)
  }

  /// Throws when `condition` does not hold now.
  func checkNow(
    _ path: String, _ condition: PutCondition, operation: String
  ) throws(StorageError) {
    if condition == .none { return }
    let found: String?
    do {
      found = try headAnswer(path, operation: operation).metadata.etag
    } catch {
      guard error.code == .notFound else { throw error }
      found = nil
    }
    switch condition {
    case .none: return
    case .ifAbsent:
      if found != nil { throw .alreadyExists(path, operation: operation) }
    case .ifMatch(let etag):
      if found != etag {
        throw .preconditionFailed(path, expected: etag, found: found, operation: operation)
      }
    }
  }

  /// One request for the whole object.
  func putAtOnce(
    _ path: String, _ pieces: [Buffer], condition: PutCondition, operation: String
  ) throws(StorageError) -> ObjectMetadata {
    let putName = client.randomName()
    var call = S3Call(method: "PUT", key: key(path), operation: operation, path: path)
    call.headers = [(Self.putNameHeader, putName)] + Self.headers(condition)
    call.body = pieces
    let size = pieces.reduce(0) { $0 + $1.count }
    return try settle(path, condition, putName, call) { answer throws(StorageError) in
      try self.metadata(path, size: size, answer.response.headers, call)
    }
  }

  static func headers(_ condition: PutCondition) -> [(String, String)] {
    switch condition {
    case .none: []
    case .ifAbsent: [("If-None-Match", "*")]
    case .ifMatch(let etag): [("If-Match", etag)]
    }
  }

  /// Sends the request that makes an object visible, and finds out what became of it.
  ///
  /// 1. An answer of success: the object is there.
  /// 2. No answer, or a failure behind an attempt that may have worked: the object's own head says
  ///    whether this put made it.
  /// 3. The condition does not hold, and no earlier attempt may have worked: nothing was changed.
  func settle(
    _ path: String, _ condition: PutCondition, _ putName: String, _ call: S3Call,
    success: (S3Answer) throws(StorageError) -> ObjectMetadata
  ) throws(StorageError) -> ObjectMetadata {
    let answer: S3Answer
    do {
      answer = try client.send(call)
    } catch {
      if error.code == .unavailable, let ours = ours(path, putName, call.operation) { return ours }
      throw error
    }
    if answer.fault == nil { return try success(answer) }
    if answer.isRepeated, let ours = ours(path, putName, call.operation) { return ours }
    let isCondition =
      answer.status == 412
      || answer.status == 404 && condition != .none && answer.fault?.code != "NoSuchBucket"
        && answer.fault?.code != "NoSuchUpload"
    guard isCondition, condition != .none else { throw client.storageError(answer, call) }
    if let doubt = answer.doubt {
      throw StorageError(
        .unavailable, operation: call.operation, path: path,
        "s3://\(settings.bucket)/\(key(path)): an attempt failed without telling whether it worked ("
          + "\(doubt)), and the object is somebody else's now; whether the put took effect before is "
          + "unknown: look before you do it again")
    }
    switch condition {
    case .none, .ifAbsent: throw .alreadyExists(path, operation: call.operation)
    case .ifMatch(let etag):
      let found = try? headAnswer(path, operation: call.operation).metadata.etag
      // It may have come back meanwhile; the put has failed all the same.
      throw .preconditionFailed(
        path, expected: etag, found: found == etag ? "another one" : found,
        operation: call.operation)
    }
  }

  /// What is at `path`, if the put of that name made it.
  private func ours(_ path: String, _ putName: String, _ operation: String) -> ObjectMetadata? {
    guard let found = try? headAnswer(path, operation: operation), found.putName == putName else {
      return nil
    }
    return found.metadata
  }
}
