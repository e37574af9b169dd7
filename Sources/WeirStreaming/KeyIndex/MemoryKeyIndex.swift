// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// A key index in memory: for tests, simulations, and tables that are rebuilt at every start.
public final class MemoryKeyIndex: KeyIndex {
  struct Entry {
    var state: KeyState
    var location: RowLocation
    var version: [UInt8]
    var row: [UInt8]
  }

  /// What one moment holds; copied when it changes while a reader has it.
  struct Content {
    var position: IndexPosition?
    var entries: [[UInt8]: Entry] = [:]
    var files: [String] = []
    var fileNumbers: [String: UInt32] = [:]
    var layouts: [Schema] = []
  }

  private final class Staged: StagedIndexBatch {
    let batch: IndexBatch
    init(_ batch: IndexBatch) { self.batch = batch }
  }

  private let content = Mutex(Content())

  public init() {}

  public var position: IndexPosition? { content.withLock { $0.position } }
  public var keyCount: Int { content.withLock { $0.entries.count } }

  public func reader() -> any KeyIndexReader { MemoryKeyIndexReader(content.withLock { $0 }) }

  public func layout(for schema: Schema) throws(StreamError) -> UInt16 {
    try content.withLock { content throws(StreamError) in
      if let known = content.layouts.firstIndex(of: schema) {
        return UInt16(truncatingIfNeeded: known)
      }
      guard content.layouts.count < Int(UInt16.max) else { throw Self.tooManyLayouts }
      content.layouts.append(schema)
      return UInt16(truncatingIfNeeded: content.layouts.count - 1)
    }
  }

  static var tooManyLayouts: StreamError {
    StreamError(
      .unsupported,
      "the key index has seen 65,535 different schemas; delete its folder, and it is rebuilt")
  }

  public func stage(_ batch: IndexBatch) throws(StreamError) -> any StagedIndexBatch {
    Staged(batch)
  }

  public func publish(_ staged: any StagedIndexBatch) throws(StreamError) {
    guard let batch = (staged as? Staged)?.batch else {
      preconditionFailure("a batch is published by the index that staged it")
    }
    content.withLock { content in
      let numbers = batch.files.map { path -> UInt32 in
        if let known = content.fileNumbers[path] { return known }
        let number = UInt32(truncatingIfNeeded: content.files.count)
        content.files.append(path)
        content.fileNumbers[path] = number
        return number
      }
      for row in 0..<batch.keys.length {
        let key = batch.keys.byteArray(row)
        guard batch.states[row] != .absent else {
          content.entries[key] = nil
          continue
        }
        var location = batch.locations[row]
        location.file = numbers[Int(location.file)]
        content.entries[key] = Entry(
          state: batch.states[row], location: location, version: batch.versions.byteArray(row),
          row: batch.rows?.byteArray(row) ?? content.entries[key]?.row ?? [])
      }
      content.position = batch.position
    }
  }

  public func move(to position: IndexPosition) { content.withLock { $0.position = position } }

  public func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError) {
    let content = content.withLock { $0 }
    let keys = content.entries.keys.sorted { $0.lexicographicallyPrecedes($1) }
    var start = 0
    while start < keys.count {
      let end = min(start + max(1, batchRows), keys.count)
      let array = try bytesArray(keys[start..<end].map { $0 })
      let rows = try MemoryKeyIndexReader(content).get(array, isSorted: true, withRows: true)
      guard try body(array, rows) else { return }
      start = end
    }
  }

  public func clear() {
    content.withLock { content in
      let layouts = content.layouts
      content = Content()
      content.layouts = layouts
    }
  }

  public func close() {}
}

final class MemoryKeyIndexReader: KeyIndexReader {
  private let content: MemoryKeyIndex.Content

  init(_ content: MemoryKeyIndex.Content) { self.content = content }

  var position: IndexPosition? { content.position }

  func get(
    _ keys: ArrayData, isSorted: Bool, withRows: Bool
  ) throws(StreamError) -> IndexedRows {
    var states: [KeyState] = []
    var locations: [RowLocation] = []
    var versions: [[UInt8]?] = []
    var rows: [[UInt8]?] = []
    for index in 0..<keys.length {
      let entry = content.entries[keys.byteArray(index)]
      states.append(entry?.state ?? .absent)
      locations.append(entry?.location ?? RowLocation(file: 0, row: 0))
      versions.append(entry?.version ?? [])
      rows.append(entry?.row)
    }
    return IndexedRows(
      states: states, locations: locations, versions: try bytesArray(versions),
      rows: withRows ? try bytesArray(rows) : nil)
  }

  func path(of file: UInt32) -> String? {
    Int(file) < content.files.count ? content.files[Int(file)] : nil
  }

  func layout(_ number: UInt16) -> Schema? {
    Int(number) < content.layouts.count ? content.layouts[Int(number)] : nil
  }
}

extension ArrayData {
  /// The bytes of a row, copied.
  func byteArray(_ row: Int) -> [UInt8] { withBytes(row) { [UInt8]($0) } }
}

/// An array of `binary`.
func bytesArray(_ values: [[UInt8]?]) throws(StreamError) -> ArrayData {
  let builder = BinaryBuilder(.binary)
  for value in values {
    guard let value else {
      builder.appendNull()
      continue
    }
    do throws(ColumnarError) { try builder.append(value) } catch { throw StreamError(error) }
  }
  return builder.finish()
}
