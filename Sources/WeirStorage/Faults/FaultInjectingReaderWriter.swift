// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A reader whose reads fail as the store's plan says. Several ranges are coalesced above it, so
/// that each request is a call of its own.
final class FaultInjectingReader: ObjectReader {
  private let store: FaultInjectingObjectStore
  private let inner: any ObjectReader

  init(store: FaultInjectingObjectStore, inner: any ObjectReader) {
    self.store = store
    self.inner = inner
  }

  var name: String { inner.name }
  var size: Int { inner.size }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    let call = try store.begin(.read, inner.name)
    return call.shortened(try inner.read(range))
  }
}

/// A writer whose appends and finish fail as the store's plan says.
final class FaultInjectingWriter: ObjectWriter {
  private let store: FaultInjectingObjectStore
  private let inner: any ObjectWriter
  private let path: String
  private let condition: PutCondition
  /// What was appended, where a fault may need it. The buffers are shared, not copied.
  private var pieces: [Buffer] = []
  private let crashCount: Int
  private var isDone = false
  private(set) var byteCount = 0

  init(
    store: FaultInjectingObjectStore, inner: any ObjectWriter, path: String,
    condition: PutCondition
  ) {
    self.store = store
    self.inner = inner
    self.path = path
    self.condition = condition
    crashCount = store.crashCount
  }

  deinit { abort() }

  func append(_ bytes: Buffer) throws(StorageError) {
    try check("append")
    do {
      _ = try store.begin(.append, path)
      try inner.append(bytes)
    } catch {
      abort()
      throw error
    }
    byteCount += bytes.count
    if store.plan.needsWrittenBytes { pieces.append(bytes) }
  }

  func finish() throws(StorageError) -> ObjectMetadata {
    try check("finish")
    // Ends the inner writer when a fault kept it from finishing.
    defer { abort() }
    let call = try store.begin(.finish, path)
    let whole = MutableBuffer()
    for piece in pieces { whole.append(piece) }
    return try store.change(call, bytes: whole.finish(), condition, operation: "finish") {
      () throws(StorageError) in try inner.finish()
    }
  }

  func abort() {
    if isDone { return }
    isDone = true
    pieces = []
    inner.abort()
  }

  private func check(_ operation: String) throws(StorageError) {
    if crashCount != store.crashCount { abort() }
    if isDone { throw .writerIsDone(path, operation: operation) }
  }
}
