// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage

/// Writes an object: in one request when it is small, else in parts.
///
/// 1. Pieces are collected until there is a whole part (`partBytes`; `conditionalPutBytesMax` before the
///    first part of an object that is written on a condition). Large pieces are not copied.
/// 2. The first whole part begins an upload; each part is one request.
/// 3. `finish` sends the rest and completes the upload, on the condition. Before an upload of parts it
///    also looks whether the condition holds, since not every service checks it at completion.
/// 4. Any failure, `abort`, or dropping the writer aborts the upload.
final class S3Writer: ObjectWriter {
  /// Smaller pieces are copied together.
  private static let copiedBytesMax = 256 << 10

  private let store: S3ObjectStore
  private let path: String
  private let condition: PutCondition
  private let putName: String
  private var isDone = false
  private(set) var byteCount = 0

  private var pieces: [Buffer] = []
  private var pieceByteCount = 0
  private let small = MutableBuffer()

  private var uploadID: String?
  private var partEtags: [String] = []

  init(store: S3ObjectStore, path: String, condition: PutCondition) {
    self.store = store
    self.path = path
    self.condition = condition
    putName = store.client.randomName()
  }

  deinit { abort() }

  func append(_ bytes: Buffer) throws(StorageError) {
    guard !isDone else { throw .writerIsDone(path, operation: "append") }
    byteCount += bytes.count
    var rest = bytes
    while rest.count > 0 {
      let wanted = partBytes
      let some = rest.slice(offset: 0, count: min(rest.count, wanted - pieceByteCount))
      rest = rest.slice(offset: some.count, count: rest.count - some.count)
      collect(some)
      // The last part may be smaller, and is sent at the end: so one byte more must be there.
      if pieceByteCount == wanted, rest.count > 0 { try sendPart() }
    }
  }

  /// What is collected before the next request.
  private var partBytes: Int {
    let settings = store.settings
    guard uploadID == nil, condition != .none else { return settings.partBytes }
    return max(settings.conditionalPutBytesMax, settings.partBytes)
  }

  private func collect(_ bytes: Buffer) {
    if bytes.count <= Self.copiedBytesMax {
      small.append(bytes)
    } else {
      closeSmall()
      pieces.append(bytes)
    }
    pieceByteCount += bytes.count
  }

  private func closeSmall() {
    if small.count > 0 { pieces.append(small.finish()) }
  }

  private func takePieces() -> [Buffer] {
    closeSmall()
    defer {
      pieces = []
      pieceByteCount = 0
    }
    return pieces
  }

  func finish() throws(StorageError) -> ObjectMetadata {
    guard !isDone else { throw .writerIsDone(path, operation: "finish") }
    guard uploadID != nil else {
      isDone = true
      return try store.putAtOnce(path, takePieces(), condition: condition, operation: "finish")
    }
    if pieceByteCount > 0 { try sendPart() }
    do throws(StorageError) {
      try store.checkNow(path, condition, operation: "finish")
      let metadata = try complete()
      isDone = true
      uploadID = nil
      return metadata
    } catch {
      abort()
      throw error
    }
  }

  func abort() {
    isDone = true
    pieces = []
    pieceByteCount = 0
    _ = small.finish()
    guard let uploadID else { return }
    self.uploadID = nil
    var call = S3Call(
      method: "DELETE", key: store.key(path), operation: "abort", path: path)
    call.query = [("uploadId", uploadID)]
    // What it cannot remove now, the bucket's lifecycle does.
    _ = try? store.client.send(call)
  }

  private func sendPart() throws(StorageError) {
    do throws(StorageError) {
      if uploadID == nil { uploadID = try begin() }
      let id = uploadID ?? ""
      guard partEtags.count < S3Settings.partCountMax else {
        throw StorageError(
          .outOfSpace, operation: "append", path: path,
          "an object has at most \(S3Settings.partCountMax) parts; write smaller objects, or larger "
            + "parts (partBytes is \(store.settings.partBytes))")
      }
      var call = S3Call(method: "PUT", key: store.key(path), operation: "append", path: path)
      call.query = [("partNumber", String(partEtags.count + 1)), ("uploadId", id)]
      call.body = takePieces()
      let answer = try store.client.send(call)
      guard answer.fault == nil else { throw store.client.storageError(answer, call) }
      guard let etag = answer.response.headers["ETag"] else {
        throw store.incomprehensible(call, "it has no ETag")
      }
      partEtags.append(etag)
    } catch {
      abort()
      throw error
    }
  }

  private func begin() throws(StorageError) -> String {
    var call = S3Call(method: "POST", key: store.key(path), operation: "append", path: path)
    call.query = [("uploads", "")]
    call.headers = [(S3ObjectStore.putNameHeader, putName)]
    call.body = []
    let answer = try store.client.send(call)
    guard answer.fault == nil else { throw store.client.storageError(answer, call) }
    guard let root = XMLElement.parse(answer.response.body.array(of: UInt8.self)),
      let id = root.text(of: "UploadId"), !id.isEmpty
    else { throw store.incomprehensible(call, "it has no UploadId") }
    return id
  }

  private func complete() throws(StorageError) -> ObjectMetadata {
    var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for (index, etag) in partEtags.enumerated() {
      text += "<Part><PartNumber>\(index + 1)</PartNumber>"
      text += "<ETag>\(S3ObjectStore.escaped(etag))</ETag></Part>"
    }
    text += "</CompleteMultipartUpload>"
    var call = S3Call(method: "POST", key: store.key(path), operation: "finish", path: path)
    call.query = [("uploadId", uploadID ?? "")]
    call.headers = [("Content-Type", "application/xml")] + S3ObjectStore.headers(condition)
    call.body = [Buffer(Array(text.utf8))]
    return try store.settle(path, condition, putName, call) { answer throws(StorageError) in
      guard let root = XMLElement.parse(answer.response.body.array(of: UInt8.self)),
        root.name == "CompleteMultipartUploadResult", let etag = root.text(of: "ETag")
      else { throw store.incomprehensible(call, "it does not say that the upload is complete") }
      // Some versions of radosgw leave it empty.
      if etag.isEmpty { return try store.headAnswer(path, operation: "finish").metadata }
      let modified = answer.response.headers["Date"].flatMap(S3Time.http)
      return ObjectMetadata(
        path: path, size: byteCount, etag: S3ObjectStore.unquoted(etag),
        lastModified: modified ?? store.client.now)
    }
  }
}
