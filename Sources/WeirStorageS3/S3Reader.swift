// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage

/// Reads of parts of objects.
enum S3Range {
  /// A longer range is only asked for when the object is known to have it.
  private static let unknownBytesMax = 64 << 20

  /// The bytes `range` of the object, of the version `etag` if given.
  static func read(
    _ path: String, _ range: Range<Int>, etag: String?, in store: S3ObjectStore, operation: String
  ) throws(StorageError) -> Buffer {
    if range.isEmpty || range.lowerBound < 0 || (etag == nil && range.count > unknownBytesMax) {
      let size = try store.headAnswer(path, operation: operation).metadata.size
      guard range.lowerBound >= 0, range.upperBound <= size else {
        throw .invalidRange(range, size: size, operation: operation, path: path)
      }
      if range.isEmpty { return Buffer() }
    }
    var call = S3Call(method: "GET", key: store.key(path), operation: operation, path: path)
    call.headers = [("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")]
    if let etag { call.headers.append(("If-Match", etag)) }
    // Some servers ignore ranges of small objects and give all of them.
    call.answerBytesMax = max(range.count, 64 << 10)
    let answer = try store.client.send(call)
    if let fault = answer.fault {
      if etag != nil, answer.status == 412 || answer.status == 404 {
        throw StorageError(
          .changed, operation: operation, path: path,
          "somebody \(answer.status == 404 ? "deleted" : "replaced") the object while it was open; "
            + "open it again")
      }
      if answer.status == 416 || fault.code == "InvalidRange" {
        let size = try store.headAnswer(path, operation: operation).metadata.size
        throw .invalidRange(range, size: size, operation: operation, path: path)
      }
      throw store.client.storageError(answer, call)
    }
    let body = answer.response.body
    guard answer.status == 206 else {
      // The whole object.
      guard range.upperBound <= body.count else {
        throw .invalidRange(range, size: body.count, operation: operation, path: path)
      }
      return body.slice(offset: range.lowerBound, count: range.count)
    }
    guard let content = ContentRange(answer.response.headers["Content-Range"]),
      content.range.lowerBound == range.lowerBound, content.range.count == body.count
    else { throw store.incomprehensible(call, "it tells other bytes than asked for") }
    guard range.upperBound <= content.size else {
      throw .invalidRange(range, size: content.size, operation: operation, path: path)
    }
    guard body.count == range.count else {
      throw store.incomprehensible(call, "it holds fewer bytes than asked for")
    }
    return body
  }

  /// A reader of the object as it is now. One request gives its size, its etag and its tail.
  static func open(_ path: String, in store: S3ObjectStore) throws(StorageError) -> S3Reader {
    let tailBytes = store.settings.tailBytes
    guard tailBytes > 0 else { return try openByHead(path, in: store) }
    var call = S3Call(method: "GET", key: store.key(path), operation: "open", path: path)
    call.headers = [("Range", "bytes=-\(tailBytes)")]
    call.answerBytesMax = tailBytes
    let answer = try store.client.send(call)
    if answer.fault != nil {
      // An object of no bytes has no last ones.
      if answer.status == 416 { return try openByHead(path, in: store) }
      throw store.client.storageError(answer, call)
    }
    let body = answer.response.body
    let headers = answer.response.headers
    var size = body.count
    if answer.status == 206 {
      guard let content = ContentRange(headers["Content-Range"]), content.range.count == body.count,
        content.range.upperBound == content.size
      else { throw store.incomprehensible(call, "it tells other bytes than asked for") }
      size = content.size
    }
    let metadata = try store.metadata(path, size: size, headers, call)
    return S3Reader(store: store, metadata: metadata, tail: body)
  }

  private static func openByHead(
    _ path: String, in store: S3ObjectStore
  ) throws(StorageError) -> S3Reader {
    let metadata = try store.headAnswer(path, operation: "open").metadata
    return S3Reader(store: store, metadata: metadata, tail: Buffer())
  }
}

/// `bytes 0-9/100` of an answer.
struct ContentRange {
  var range: Range<Int>
  var size: Int

  init?(_ text: String?) {
    guard let text, text.hasPrefix("bytes ") else { return nil }
    let halves = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count == 2, let size = Int(halves[1]) else { return nil }
    let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0,
      last >= first, last < size
    else { return nil }
    range = first..<(last + 1)
    self.size = size
  }
}

/// One version of one object.
final class S3Reader: ObjectReader {
  private let store: S3ObjectStore
  private let metadata: ObjectMetadata
  private let tail: Buffer

  init(store: S3ObjectStore, metadata: ObjectMetadata, tail: Buffer) {
    self.store = store
    self.metadata = metadata
    self.tail = tail
  }

  var name: String { metadata.path }
  var size: Int { metadata.size }

  var waitsForRequests: Bool { true }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    try checkRange(range)
    if range.isEmpty { return Buffer() }
    let tailStart = size - tail.count
    if range.lowerBound >= tailStart {
      return tail.slice(offset: range.lowerBound - tailStart, count: range.count)
    }
    return try S3Range.read(
      metadata.path, range, etag: metadata.etag, in: store, operation: "read")
  }

  /// A request costs about as much time as half a mebibyte, and several take hardly more time than one.
  private static let coalescing = RangeCoalescing(gapBytesMax: 512 << 10, requestBytesMax: 8 << 20)

  func read(_ ranges: [Range<Int>]) throws(StorageError) -> [Buffer] {
    for range in ranges { try checkRange(range) }
    let plan = Self.coalescing.plan(ranges)
    let merged = try Parallel.map(
      plan.requests.count, threadCountMax: store.settings.readThreadCountMax
    ) { index throws(StorageError) in try self.readWhole(plan.requests[index]) }
    return plan.slices(of: merged, for: ranges)
  }
}
