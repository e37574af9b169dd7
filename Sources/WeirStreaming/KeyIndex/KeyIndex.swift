// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Where a row is: a data file, by the number that the key index gave it, and a row in the file.
public struct RowLocation: Hashable, Comparable, Sendable {
  public var file: UInt32
  /// From 0 on, deleted rows counted.
  public var row: UInt32

  public init(file: UInt32, row: UInt32) {
    self.file = file
    self.row = row
  }

  public static func < (a: RowLocation, b: RowLocation) -> Bool {
    (a.file, a.row) < (b.file, b.row)
  }
}

/// Which state of the table a key index describes.
public struct IndexPosition: Hashable, Sendable {
  /// The snapshot that its locations are in.
  public var snapshotID: Int64
  /// Rows of the shard's log below this offset are in it.
  public var offset: Int64

  public init(snapshotID: Int64, offset: Int64) {
    self.snapshotID = snapshotID
    self.offset = offset
  }
}

/// What a key index knows of a key.
public enum KeyState: UInt8, Sendable {
  /// Nothing.
  case absent
  /// It has a row, which readers of the table see.
  case present
  /// Its row was deleted; a tombstone tells at which version.
  case deleted
}

/// What a key index holds for some keys, column by column: element i is about key i.
public struct IndexedRows: Sendable {
  public var states: [KeyState]
  /// Of the row, or of the tombstone's row; meaningless where the key is absent.
  public var locations: [RowLocation]
  /// The rows' versions (`binary`): bytes that the merge engine compares; empty where absent.
  public var versions: ArrayData
  /// The rows (`binary`), as `RowCodec` encodes them; null where absent. `nil` unless asked for.
  public var rows: ArrayData?

  public init(
    states: [KeyState], locations: [RowLocation], versions: ArrayData, rows: ArrayData?
  ) {
    self.states = states
    self.locations = locations
    self.versions = versions
    self.rows = rows
  }
}

/// Changes to a key index that take effect together.
public struct IndexBatch: Sendable {
  /// What the index describes from then on; `nil` for a part of a rebuild that is not complete yet.
  public var position: IndexPosition?
  /// Paths of the data files that `locations` are in: a location's `file` is a place in this list,
  /// the index gives them its own numbers.
  public var files: [String]
  /// `binary`, ascending; the last of equal ones counts.
  public var keys: ArrayData
  /// `absent` forgets the key.
  public var states: [KeyState]
  public var locations: [RowLocation]
  /// `binary`.
  public var versions: ArrayData
  /// `binary`, as `RowCodec` encodes them; the rows that are there stay when `nil`: only places change.
  public var rows: ArrayData?

  public init(
    position: IndexPosition?, files: [String], keys: ArrayData, states: [KeyState],
    locations: [RowLocation], versions: ArrayData, rows: ArrayData?
  ) {
    precondition(
      states.count == keys.length && locations.count == keys.length
        && versions.length == keys.length && rows?.length ?? keys.length == keys.length,
      "the columns of an index batch are equally long")
    self.position = position
    self.files = files
    self.keys = keys
    self.states = states
    self.locations = locations
    self.versions = versions
    self.rows = rows
  }
}

/// A batch that an index has made ready, so that `publish` is short.
public protocol StagedIndexBatch: AnyObject {}

/// What a key index held at one moment. Any number of threads may use it, while the index goes on.
public protocol KeyIndexReader: AnyObject, Sendable {
  /// `nil` for an index that is empty or being rebuilt.
  var position: IndexPosition? { get }

  /// What the index holds for `keys` (`binary`).
  ///
  /// - Parameters:
  ///   - isSorted: the keys ascend and each comes once, which is faster.
  ///   - withRows: also gives the rows, which costs a read of them.
  func get(_ keys: ArrayData, isSorted: Bool, withRows: Bool) throws(StreamError) -> IndexedRows

  /// The path of a data file; `nil` for a number that the index never gave.
  func path(of file: UInt32) -> String?

  /// Columns of rows that were encoded under the layout of this number, see `KeyIndex.layout(for:)`.
  func layout(_ number: UInt16) -> Schema?
}

/// Key to row, for one shard of a keyed table: where the row is, its version, and the row itself.
///
/// An index is derived from the table's files and can always be rebuilt from them; what it holds is
/// that of one position, changed by whole batches only, also through a crash. Calls that change it
/// come from one thread at a time; readers are independent of them.
public protocol KeyIndex: AnyObject, Sendable {
  /// What the index describes; `nil` when it is empty or a rebuild is not complete.
  var position: IndexPosition? { get }

  /// What the index holds now.
  func reader() throws(StreamError) -> any KeyIndexReader

  /// The number under which rows of `schema` are encoded; the same columns have the same number.
  func layout(for schema: Schema) throws(StreamError) -> UInt16

  /// Makes a batch ready without changing anything that readers see: the long part of a change.
  func stage(_ batch: IndexBatch) throws(StreamError) -> any StagedIndexBatch

  /// Does of `publish` what takes time, outside of locks that readers wait for: they see what there was
  /// until `publish`, which is to follow, and which does it where this was not called. Errors are those of
  /// `publish`.
  func prepare(_ staged: any StagedIndexBatch) throws(StreamError)

  /// Makes a staged batch take effect. After an error the index is as before, or must be opened again
  /// when the error says so.
  func publish(_ staged: any StagedIndexBatch) throws(StreamError)

  /// Moves the index to another snapshot with the same rows in the same places: one that somebody
  /// else's append made, or maintenance of metadata.
  func move(to position: IndexPosition) throws(StreamError)

  /// A batch that does the same, for `prepare` and `publish`; `nil` where `move` takes no time.
  func stageMove(to position: IndexPosition) throws(StreamError) -> (any StagedIndexBatch)?

  /// Calls `body` with all keys in ascending order, in batches, until it returns `false`.
  func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError)

  /// Forgets everything, the position too.
  func clear() throws(StreamError)

  /// As `clear`, but nothing that it held stays in its files either.
  ///
  /// - Returns: false, and changes nothing, while readers of it are there.
  func wipe() throws(StreamError) -> Bool

  /// Ends all use but that of readers that are there: one on disk can be opened again when they are gone.
  func close()
}

extension KeyIndex {
  public func prepare(_ staged: any StagedIndexBatch) throws(StreamError) {}

  public func stageMove(
    to position: IndexPosition
  ) throws(StreamError) -> (any StagedIndexBatch)? { nil }

  public func wipe() throws(StreamError) -> Bool {
    try clear()
    return true
  }

  /// `stage` and `publish` at once.
  public func apply(_ batch: IndexBatch) throws(StreamError) { try publish(stage(batch)) }
}
