// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What a store knows about an object without its bytes.
public struct ObjectMetadata: Sendable, Hashable {
  public var path: String
  /// Bytes.
  public var size: Int
  /// Names this version of the object; another version of the same path has another etag.
  public var etag: String
  /// Nanoseconds since 1970-01-01 UTC, by the store's clock. What a put returns may be later than what
  /// `head` and `list` say, by the time that the put took.
  public var lastModified: Int

  public init(path: String, size: Int, etag: String, lastModified: Int) {
    self.path = path
    self.size = size
    self.etag = etag
    self.lastModified = lastModified
  }
}

/// When a put may take effect. The store decides atomically, also between processes.
public enum PutCondition: Sendable, Hashable {
  /// Always; a former object is replaced.
  case none
  /// When no object has the path; otherwise `alreadyExists`.
  case ifAbsent
  /// When the path's object has this etag; otherwise `preconditionFailed`.
  case ifMatch(String)
}

/// A part of a listing.
public struct ListPage: Sendable, Hashable {
  /// In ascending order of the paths' UTF-8 bytes.
  public var objects: [ObjectMetadata]
  /// Pass it as `after` for the next page; `nil` when this is the last one.
  public var next: String?

  public init(objects: [ObjectMetadata], next: String?) {
    self.objects = objects
    self.next = next
  }
}

/// Objects: immutable bytes under a path, put and replaced as a whole.
///
/// Calls block; stores may be used by several threads at once. Paths follow `ObjectPath`. A put is
/// visible to everybody at once or not at all, and durable when it returns. Readers that opened an
/// object keep reading the version that they opened.
public protocol ObjectStore: Sendable {
  /// What is known about the object at `path`; `notFound` when there is none.
  func head(_ path: String) throws(StorageError) -> ObjectMetadata

  /// The bytes `range` of the object, all of them when `nil`. A range that does not lie within the
  /// object is `invalidRange`.
  func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer

  /// A reader of one version of the object, for many ranged reads.
  func open(_ path: String) throws(StorageError) -> any ObjectReader

  /// Stores `bytes` at `path`.
  func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata

  /// A writer whose bytes become the object at `path` when it finishes. `condition` holds at that
  /// moment; a store may also check it here, to fail early.
  func create(_ path: String, condition: PutCondition) throws(StorageError) -> any ObjectWriter

  /// The first objects, at most `limit`, whose path starts with `prefix` and comes behind `after`,
  /// in the order of their UTF-8 bytes. A store may give fewer than `limit`, and even none, in a
  /// page that is not the last. `limit` must be positive; stores cap it at `listLimitMax`.
  func list(prefix: String, after: String?, limit: Int) throws(StorageError) -> ListPage

  /// Removes the object; nothing happens when there is none.
  func delete(_ path: String) throws(StorageError)

  /// Removes the objects, in few requests where the store can. When it throws, some may be gone.
  func delete(_ paths: [String]) throws(StorageError)
}

/// The most objects in one page of a listing.
public let listLimitMax = 10_000

extension ObjectStore {
  /// All bytes of the object.
  public func get(_ path: String) throws(StorageError) -> Buffer { try get(path, range: nil) }

  /// Stores `bytes` at `path`, whatever was there.
  @discardableResult
  public func put(_ path: String, _ bytes: Buffer) throws(StorageError) -> ObjectMetadata {
    try put(path, bytes, condition: .none)
  }

  public func delete(_ paths: [String]) throws(StorageError) {
    for path in paths { try delete(path) }
  }

  /// The first page of a listing.
  public func list(prefix: String) throws(StorageError) -> ListPage {
    try list(prefix: prefix, after: nil, limit: 1_000)
  }
}

/// Reads one version of one object. Threads may share it.
public protocol ObjectReader: Sendable {
  /// The object's path or the file's name, for messages.
  var name: String { get }
  /// Bytes.
  var size: Int { get }

  /// The bytes `range`; `invalidRange` when it does not lie within the object.
  func read(_ range: Range<Int>) throws(StorageError) -> Buffer

  /// The bytes of each range, in the order given; ranges may overlap, repeat and be empty. Near ones
  /// are read in one request, and then share memory.
  func read(_ ranges: [Range<Int>]) throws(StorageError) -> [Buffer]

  /// All bytes as memory that the system fills when it is touched, where the store can: nothing is copied,
  /// but a process that touches bytes of a file that somebody cut meanwhile ends. `nil` elsewhere.
  func mapped() throws(StorageError) -> Buffer?

  /// Whether a request mostly waits, as for an answer from another machine, so that it pays to ask for
  /// bytes in another thread before they are wanted.
  var waitsForRequests: Bool { get }
}

extension ObjectReader {
  public func mapped() throws(StorageError) -> Buffer? { nil }

  public var waitsForRequests: Bool { false }

  public func read(_ ranges: [Range<Int>]) throws(StorageError) -> [Buffer] {
    try read(ranges, coalescing: RangeCoalescing())
  }

  /// As `read(_:)`, with other limits for what is read in one request.
  public func read(
    _ ranges: [Range<Int>], coalescing: RangeCoalescing
  ) throws(StorageError) -> [Buffer] {
    for range in ranges { try checkRange(range) }
    let plan = coalescing.plan(ranges)
    var merged: [Buffer] = []
    merged.reserveCapacity(plan.requests.count)
    for request in plan.requests { merged.append(try readWhole(request)) }
    return plan.slices(of: merged, for: ranges)
  }

  /// The bytes of one request of a plan, all of them.
  package func readWhole(_ request: Range<Int>) throws(StorageError) -> Buffer {
    let bytes = try read(request)
    guard bytes.count == request.count else {
      throw StorageError(
        .changed, operation: "read", path: name,
        "asked for bytes \(request.lowerBound)..<\(request.upperBound) and got \(bytes.count) of "
          + "\(request.count); the store is broken, or somebody cut the object")
    }
    return bytes
  }

  /// Throws `invalidRange` when `range` does not lie within the object.
  package func checkRange(_ range: Range<Int>) throws(StorageError) {
    guard range.lowerBound >= 0 && range.upperBound <= size else {
      throw .invalidRange(range, size: size, operation: "read", path: name)
    }
  }
}

/// Takes the bytes of one object. One thread at a time may use it.
///
/// Nothing is visible before `finish()` returns. Dropping a writer that did not finish aborts it.
/// After an error only `abort()` is of use.
public protocol ObjectWriter: AnyObject {
  /// Adds `bytes` behind what was appended before.
  func append(_ bytes: Buffer) throws(StorageError)

  /// Bytes appended so far.
  var byteCount: Int { get }

  /// Makes the object durable and visible, if the condition holds. Call it once.
  func finish() throws(StorageError) -> ObjectMetadata

  /// Gives up; nothing of the object stays. Does nothing after `finish()` or `abort()`.
  func abort()
}

extension StorageError {
  @inline(never)
  package static func invalidRange(
    _ range: Range<Int>, size: Int, operation: String, path: String
  ) -> StorageError {
    StorageError(
      .invalidRange, operation: operation, path: path,
      "bytes \(range.lowerBound)..<\(range.upperBound) do not lie within its \(size) bytes")
  }

  package static func alreadyExists(_ path: String, operation: String) -> StorageError {
    StorageError(
      .alreadyExists, operation: operation, path: path,
      "the object is already there and was kept; choose another path, or replace it on purpose")
  }

  package static func notFound(_ path: String, operation: String) -> StorageError {
    StorageError(.notFound, operation: operation, path: path, "there is no such object")
  }

  package static func preconditionFailed(
    _ path: String, expected: String, found: String?, operation: String
  ) -> StorageError {
    StorageError(
      .preconditionFailed, operation: operation, path: path,
      "expected etag \(expected) and found \(found ?? "no object"), which was kept; "
        + "read it again and retry")
  }

  package static func writerIsDone(_ path: String, operation: String) -> StorageError {
    StorageError(
      .invalidArgument, operation: operation, path: path,
      "the writer has finished, failed or been aborted; create a new one")
  }

  package static func invalidLimit(_ limit: Int, path: String) -> StorageError {
    StorageError(
      .invalidArgument, operation: "list", path: path, "the limit \(limit) is not positive")
  }
}
