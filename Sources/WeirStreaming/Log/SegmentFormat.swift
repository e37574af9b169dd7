// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

// The bytes of a segment file; docs/formats/log.md is the whole description.

/// Sizes and numbers of the format.
enum SegmentFormat {
  /// Entries, and the payloads in them, start at multiples of this: buffers in a payload are then
  /// aligned in memory without a copy.
  static let alignment = 64
  static let headerBytes = 64
  /// "WEIRLOG1".
  static let fileMagic: UInt64 = 0x3147_4f4c_5249_4557
  /// "WLE1".
  static let entryMagic: UInt32 = 0x3145_4c57
  static let producerIDBytesMax = 128
  /// Bytes of a mark, for which there is always space: a log on a full disk can be trimmed.
  static let markBytes = 64
  /// Offsets stay below this, so that sums of them cannot overflow.
  static let offsetMax: Int64 = 1 << 62

  static func padded(_ count: Int) -> Int { (count + alignment - 1) & ~(alignment - 1) }

  /// The file's name of the segment that starts at `base`.
  static func name(base: Int64) -> String {
    let digits = String(base)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".log"
  }

  /// The base offset in a segment's name; `nil` for other names.
  static func base(name: String) -> Int64? {
    guard name.hasSuffix(".log"), name.utf8.count == 24, let base = Int64(name.dropLast(4)),
      base >= 0, base < offsetMax, self.name(base: base) == name
    else { return nil }
    return base
  }
}

/// The first 64 bytes of a segment.
struct SegmentHeader: Equatable {
  var shard: UInt32
  /// The offset of the first row.
  var base: Int64
  /// Goes into all checksums of the file, so that no bytes of another file, or of a row, can pass for
  /// an entry of this one.
  var salt: UInt64
  /// The segment before this one, -1 for none, and where in the file its last entry ends.
  var previousBase: Int64
  var previousEnd: Int64
  /// Where the entries end that were in the file when it got its name.
  var preambleEnd: Int64
}

/// What an entry is.
enum EntryKind: UInt8 {
  /// One batch of rows.
  case rows = 1
  /// A schema that later entries refer to.
  case schema = 2
  /// What the segments before this one leave behind: whose log it is, and the producers.
  case state = 3
  /// Only says what is durable and what is kept.
  case mark = 4
}

/// The first 64 bytes of an entry, and the producer's name behind them.
struct EntryHeader: Equatable {
  var kind: EntryKind
  var payloadChecksum: UInt32 = 0
  var payloadBytes: Int = 0
  var rowCount: Int = 0
  var firstOffset: Int64
  /// Of rows: when they came. Of a state or a mark: where the first segment begins that is kept.
  var time: Int64 = 0
  var producer: ProducerStamp?
  /// The position in the file below which all was durable when this entry was written.
  var durable: Int
  /// Where the schema of these rows is in the file.
  var schemaPosition: Int = 0

  /// Bytes before the payload.
  var headBytes: Int {
    SegmentFormat.headerBytes + SegmentFormat.padded(producer?.id.utf8.count ?? 0)
  }
  /// Bytes from this entry to the next.
  var byteCount: Int { headBytes + SegmentFormat.padded(payloadBytes) }
  var offsets: Range<Int64> { firstOffset..<firstOffset + Int64(rowCount) }
}
