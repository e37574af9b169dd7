// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A pipeline, what producers send to the streams that it follows, and what its table should hold.
protocol SimulatedPipeline: AnyObject {
  /// For people.
  var summary: String { get }
  /// The streams that it follows, of which producers send rows.
  var inputs: [StreamDefinition] { get }
  /// Its keyed table.
  var target: StreamDefinition { get }
  /// The columns of its table that are compared.
  var columns: [String] { get }
  /// A column of each input that tells the rows of one request apart.
  var identity: [String] { get }

  /// The pipeline on streams of a process.
  func runner(
    _ streams: (TableIdentifier) throws -> any ServedStream, _ random: inout SeededRandom
  ) throws -> any PipelineRunner

  /// Rows for one of the inputs.
  ///
  /// - Parameter now: microseconds.
  func rows(_ random: inout SeededRandom, now: Int64) -> (input: Int, rows: [LoggedRow])

  /// Takes note of a row that was acknowledged.
  ///
  /// - Returns: whether nothing else was there.
  func acknowledge(_ row: LoggedRow, input: Int, shard: Int, offset: Int64) -> Bool

  /// Keys for lookups of all rows that there may be.
  func keys() throws -> RecordBatch

  /// Compares all rows that its table has with what was acknowledged.
  ///
  /// - Parameter rows: by their keys.
  /// - Throws: `PipelineMismatch`.
  func check(_ rows: [[Scalar]: [String: Scalar]], _ extent: PipelineExtent) throws
}

/// What a pipeline's table must hold, at least.
enum PipelineExtent {
  /// What it made of the first rows of its inputs, however many.
  case some
  /// Besides, what it made of those below the positions that it noted, by the names of the notes.
  case noted([String: [Int: Int64]])
  /// What it makes of all.
  case all
}

/// A pipeline's table does not hold what it should.
struct PipelineMismatch: Error, CustomStringConvertible {
  var description: String
}
