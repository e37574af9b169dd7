// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Where the rows of rewritten data files went: for each row of each source its place in the outputs.
///
/// A compaction is committed together with its map, so that changes which others made to the sources
/// meanwhile, or make later without knowing of it, follow the rows; a key index follows without reading
/// them again. The map lies in a Puffin file that the summary of the compaction's snapshot names
/// (`property`), and goes when that snapshot expires.
///
/// | bytes of the blob, before compression | |
/// |---|---|
/// | 1 | version: 1 |
/// | 4 | number of sources |
/// | each source | bytes of its path (4; 0 for a file that others took away before), the path in UTF-8, rows (8) |
/// | 4, and each output | likewise |
/// | 4 for each row of each source | ordinal of the row among all rows of the outputs plus 1, or 0 for a row that was deleted; less that of the row before, modulo 2^32 |
///
/// All numbers are little-endian. Memory: 4 bytes for each row of the sources.
package struct RowMap: Hashable, Sendable {
  package static let blobType = "weir-row-map-v1"
  /// Where a row has no place.
  package static let none = UInt32.max

  package struct File: Hashable, Sendable {
    package var path: String
    package var rowCount: Int
  }

  /// A row of an output.
  struct Place: Hashable, Sendable {
    /// Among `outputs`.
    var output: Int
    var row: Int
  }

  package private(set) var sources: [File]
  package private(set) var outputs: [File]
  /// For each source, for each of its rows: its ordinal among the rows of all outputs, or `none`.
  package private(set) var ordinals: [[UInt32]]
  /// The ordinal of the first row of each output, and behind them the number of all rows.
  let starts: [Int]

  init(sources: [File], outputs: [File], ordinals: [[UInt32]]) {
    self.sources = sources
    self.outputs = outputs
    self.ordinals = ordinals
    var starts = [0]
    for output in outputs { starts.append(starts[starts.count - 1] + output.rowCount) }
    self.starts = starts
  }

  /// The map without a word of some sources: their paths are empty.
  func leavingOut(_ paths: Set<String>) -> RowMap {
    guard sources.contains(where: { paths.contains($0.path) }) else { return self }
    var result = self
    for index in sources.indices where paths.contains(sources[index].path) {
      result.sources[index].path = ""
    }
    return result
  }

  /// The output and the row in it of an ordinal.
  func place(_ ordinal: UInt32) -> Place {
    let wanted = Int(ordinal)
    var (low, high) = (0, outputs.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= wanted { low = middle } else { high = middle }
    }
    return Place(output: low, row: wanted - starts[low])
  }

  /// Rows of the outputs, by output, at which some rows of a source are. Rows without a place are left out.
  ///
  /// - Parameter positions: all rows of the source when `nil`.
  func places(of source: Int, _ positions: RoaringBitmap64?) -> [Int: [Int64]] {
    var result: [Int: [Int64]] = [:]
    let ordinals = ordinals[source]
    func add(_ position: Int) {
      guard position < ordinals.count, ordinals[position] != Self.none else { return }
      let place = place(ordinals[position])
      result[place.output, default: []].append(Int64(place.row))
    }
    if let positions {
      positions.forEach(in: 0..<Int64(ordinals.count)) { add(Int($0)) }
    } else {
      for position in ordinals.indices { add(position) }
    }
    return result
  }

  /// For each row of an output the source, and the row in it, that it was.
  package func origins(of output: Int) -> [(source: Int, row: Int)] {
    var result = [(source: Int, row: Int)](
      repeating: (source: -1, row: -1), count: outputs[output].rowCount)
    let range = starts[output]..<starts[output + 1]
    for (source, ordinals) in ordinals.enumerated() {
      for (row, ordinal) in ordinals.enumerated()
      where ordinal != Self.none && range.contains(Int(ordinal)) {
        result[Int(ordinal) - range.lowerBound] = (source, row)
      }
    }
    return result
  }
}

extension RowMap {
  /// The blob's bytes.
  func encoded() -> Buffer {
    let target = MutableBuffer()
    target.append(contentsOf: [UInt8(1)])
    for files in [sources, outputs] {
      target.append(UInt32(truncatingIfNeeded: files.count).littleEndian)
      for file in files {
        let path = Array(file.path.utf8)
        target.append(UInt32(truncatingIfNeeded: path.count).littleEndian)
        target.append(contentsOf: path)
        target.append(UInt64(truncatingIfNeeded: file.rowCount).littleEndian)
      }
    }
    for ordinals in ordinals {
      var last: UInt32 = 0
      for ordinal in ordinals {
        let value = ordinal &+ 1
        target.append((value &- last).littleEndian)
        last = value
      }
    }
    return target.finish()
  }

  /// - Throws: `damaged` for bytes that are no map.
  init(decoding bytes: Buffer) throws(TableError) {
    var reader = BlobReader(bytes, what: "a row map")
    guard try reader.number(1) == 1 else {
      throw TableError(.unsupported, "a row map is of a version that this one does not know")
    }
    let sources = try Self.files(&reader)
    let outputs = try Self.files(&reader)
    let outputRows = outputs.reduce(0) { $0 + $1.rowCount }
    let sourceRows = sources.reduce(0) { $0 + $1.rowCount }
    guard outputRows <= sourceRows, reader.left == sourceRows * 4 else {
      throw TableError(
        .damaged, "a row map of \(sourceRows) rows has \(reader.left) bytes for their places")
    }
    var seen = [Bool](repeating: false, count: outputRows)
    var ordinals: [[UInt32]] = []
    for source in sources {
      var last: UInt32 = 0
      var list: [UInt32] = []
      list.reserveCapacity(source.rowCount)
      for _ in 0..<source.rowCount {
        last &+= UInt32(truncatingIfNeeded: try reader.number(4))
        let ordinal = last &- 1
        if ordinal != Self.none {
          guard Int(ordinal) < outputRows, !seen[Int(ordinal)] else {
            throw TableError(.damaged, "a row map sends two rows to one place, or one nowhere")
          }
          seen[Int(ordinal)] = true
        }
        list.append(ordinal)
      }
      ordinals.append(list)
    }
    self.init(sources: sources, outputs: outputs, ordinals: ordinals)
  }

  private static func files(_ reader: inout BlobReader) throws(TableError) -> [File] {
    let count = try reader.count(itemBytesMin: 12)
    var files: [File] = []
    var rows = 0
    for _ in 0..<count {
      let path = try reader.text(try reader.number(4))
      let rowCount = try reader.number(8)
      rows += min(rowCount, 1 << 40)
      // Every row has 4 bytes behind; those of outputs have had their rows counted as sources'.
      guard rowCount >= 0, rows <= Int(UInt32.max) - 1 else {
        throw TableError(.damaged, "a row map announces \(rowCount) rows", file: path)
      }
      files.append(File(path: path, rowCount: rowCount))
    }
    return files
  }
}
