// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// What was found in a file that was read from end to end.
public struct ParquetVerification: Sendable {
  /// What is wrong, in the order of the file; at most `problemCountMax` of them.
  public internal(set) var problems: [ParquetError] = []
  /// Problems beyond those.
  public internal(set) var furtherProblemCount = 0
  public internal(set) var pageCount = 0
  /// Pages that carry a checksum.
  public internal(set) var checksumCount = 0
  /// Column chunks and pages whose bounds or null counts were compared with their values.
  public internal(set) var statisticsCount = 0
  /// Values that were decoded, nulls included.
  public internal(set) var valueCount = 0

  public static let problemCountMax = 1_000

  /// Nothing was looked at yet.
  public init() {}

  mutating func add(_ problem: ParquetError) {
    if problems.count < Self.problemCountMax {
      problems.append(problem)
    } else {
      furtherProblemCount += 1
    }
  }
}

/// Reads a whole file and reports everything that is wrong with it, not only the first thing.
///
/// For each column chunk, in steps:
/// 1. Walk over the pages: headers, sizes, checksums, and the page index's places and row numbers.
/// 2. Decode all values, unless the walk found damage.
/// 3. Compare null counts and bounds of the chunk and, for columns without lists, of each page with
///    the values. Bounds may be cut or wide: a value outside them is a problem, a bound that no value
///    reaches is not.
///
/// Memory: a batch of one column. A problem in one chunk does not keep the others from being read.
public final class ParquetVerifier {
  private let reader: ParquetReader
  private var result = ParquetVerification()

  public init(_ reader: ParquetReader) { self.reader = reader }

  /// - Parameter progress: called after each column chunk with the share of the file that is done.
  public func verify(progress: (Double) -> Void = { _ in }) -> ParquetVerification {
    result = ParquetVerification()
    checkStart()
    let groups = reader.metadata.rowGroups
    let total = max(1, groups.count * reader.columns.count)
    for group in groups.indices {
      for (position, node) in reader.columns.enumerated() {
        verify(node, in: group)
        progress(Double(group * reader.columns.count + position + 1) / Double(total))
      }
    }
    return result
  }

  private func checkStart() {
    do throws(StorageError) {
      let magic = try reader.source.read(0..<4).array(of: UInt8.self)
      if magic != Array("PAR1".utf8) {
        result.add(
          ParquetError(
            .damaged, "the file does not begin with PAR1", file: reader.name, position: 0))
      }
    } catch {
      result.add(ParquetError(.storage, "\(error)", file: reader.name, position: 0))
    }
  }

  private func verify(_ node: SchemaNode, in group: Int) {
    // Nothing is read of a row group without rows, whatever its chunks say.
    guard reader.metadata.rowGroups[group].rowCount > 0 else { return }
    var checks: [Int: ChunkCheck] = [:]
    var isSound = true
    for info in ParquetReader.infos(node) {
      let check = ChunkCheck(reader, info, rowGroup: group)
      isSound = check.walk(&result) && isSound
      checks[info.index] = check
    }
    // What the pages' bytes have lost would only be reported again.
    guard isSound else { return }
    do throws(ParquetError) {
      let batches = ParquetBatches(
        reader, columns: [node], rowGroups: [group],
        pruning: try Pruning([], columns: reader.columns), batchRows: 65_536,
        metadata: Metadata())
      while let batch = try batches.next() {
        result.valueCount += batch.rowCount
        visit(node, batch.columns[0]) { checks[$0.index]?.add($1) }
      }
    } catch {
      return result.add(error.adding(file: reader.name, rowGroup: group))
    }
    for index in checks.keys.sorted() { checks[index]?.finish(&result) }
  }

  /// Calls `body` with the values of each leaf.
  private func visit(
    _ node: SchemaNode, _ array: ArrayData, _ body: (LeafColumn, ArrayData) -> Void
  ) {
    switch node {
    case .leaf(_, let leaf): body(leaf, array)
    case .structure(_, let children, _):
      for (index, child) in children.enumerated() where index < array.children.count {
        visit(
          child, array.children[index].slice(offset: array.offset, length: array.length), body)
      }
    case .list(_, let item, _):
      guard array.length > 0 else { return }
      let start = array.itemRange(0).lowerBound
      let end = array.itemRange(array.length - 1).upperBound
      visit(item, array.children[0].slice(offset: start, length: end - start), body)
    }
  }
}
