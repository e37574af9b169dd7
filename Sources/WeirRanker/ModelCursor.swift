// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Where a follower is in the streams of a model: the versions that come, and the vectors that wait for
/// the version that they are of.
struct ModelCursor {
  private let registryTail: any StreamTail
  private let embeddingTail: any StreamTail
  /// In the order in which they came.
  private(set) var waiting: [EmbeddingRow] = []
  private var waitingElements = 0
  /// Whether more came than may wait: then the stream is scanned.
  private(set) var isIncomplete = false

  /// Elements of vectors that wait; 256 MB of them.
  private static let waitingElementsMax = 64 << 20
  private static let batchRows = 65_536

  /// Begins with what comes from now on. Scans that begin later see what came before.
  init(registry: any ServedStream, embeddings: any ServedStream) throws(RankerError) {
    do throws(StreamError) {
      registryTail = try registry.tail(from: .latest)
      embeddingTail = try embeddings.tail(from: .latest)
    } catch { throw RankerError(error) }
  }

  /// Reads what has come.
  ///
  /// - Returns: the new versions. All their vectors are among those that wait, or in a scan.
  mutating func read() throws(RankerError) -> [Int64] {
    var versions: [Int64] = []
    do throws(StreamError) {
      while let batch = try registryTail.next(rowCountMax: Self.batchRows) {
        versions += ModelRegistry.versions(batch)
      }
    } catch { throw RankerError(error) }
    // After the registry: its rows come when their vectors are durable.
    while let batch = try nextVectors() {
      for row in try EmbeddingRow.rows(of: batch) {
        waitingElements += row.vector.count
        waiting.append(row)
      }
      if waitingElements > Self.waitingElementsMax {
        (waiting, waitingElements, isIncomplete) = ([], 0, true)
      }
    }
    return versions
  }

  private func nextVectors() throws(RankerError) -> RecordBatch? {
    do throws(StreamError) {
      return try embeddingTail.next(rowCountMax: Self.batchRows)
    } catch { throw RankerError(error) }
  }

  /// Forgets the vectors of versions up to the one that serves.
  ///
  /// - Parameter isComplete: whether all vectors of later versions are among those that wait.
  mutating func drop(through version: Int64, isComplete: Bool) {
    waiting.removeAll { $0.version <= version }
    waitingElements = waiting.reduce(0) { $0 + $1.vector.count }
    isIncomplete = !isComplete
  }

  /// The rows of the stream of embeddings of these versions, those of the log too, in any order.
  static func scan(
    _ stream: any ServedStream, _ versions: ClosedRange<Int64>,
    _ body: (EmbeddingRow) throws(RankerError) -> Void
  ) throws(RankerError) {
    let filter = Predicate.all([
      .compare(.greaterOrEqual, Term("version"), .integer(Int128(versions.lowerBound))),
      .compare(.lessOrEqual, Term("version"), .integer(Int128(versions.upperBound))),
    ])
    let reader: any RecordBatchReader
    do throws(StreamError) {
      reader = try stream.scan(
        StreamScan(columns: ["role", "id", "version", "vector"], filter: filter))
    } catch { throw RankerError(error) }
    while true {
      let batch: RecordBatch?
      do { batch = try reader.next() } catch { throw RankerError(.stream, "\(error)") }
      guard let batch else { return }
      for row in try EmbeddingRow.rows(of: batch) { try body(row) }
    }
  }
}
