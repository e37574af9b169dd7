// SPDX-License-Identifier: Apache-2.0

/// One entry of a manifest: a file, and when it came or went.
/// Source: Iceberg table specification, "Manifest Entry Fields".
public struct ManifestEntry: Hashable, Sendable {
  public enum Status: Int32, Hashable, Sendable {
    case existing = 0
    case added = 1
    /// For information; not part of the snapshot.
    case deleted = 2
  }

  public var status: Status
  /// The snapshot that added the file, or deleted it when the status is `deleted`. `nil` is written
  /// as "inherit"; a reader that was given the manifest's list entry has resolved it.
  public var snapshotID: Int64?
  /// Data sequence number; `nil` as above.
  public var sequenceNumber: Int64?
  /// Sequence number of the snapshot that added the file; `nil` as above.
  public var fileSequenceNumber: Int64?
  public var dataFile: DataFile

  public init(
    status: Status, snapshotID: Int64? = nil, sequenceNumber: Int64? = nil,
    fileSequenceNumber: Int64? = nil, dataFile: DataFile
  ) {
    self.status = status
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.fileSequenceNumber = fileSequenceNumber
    self.dataFile = dataFile
  }

  /// Part of the snapshot: added or existing.
  public var isLive: Bool { status != .deleted }
}
