// SPDX-License-Identifier: Apache-2.0

public import WeirStreaming
internal import WeirVector

/// What went wrong with a model: its library, its graphs, its rows, a run.
public struct RankerError: Error, Sendable, CustomStringConvertible {
  /// The kind of an error; new kinds may come.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// This machine has no ONNX Runtime that was found.
    public static let libraryMissing = Code("ONNX Runtime is missing")
    /// Bytes that are no graph, or one with inputs or outputs that a model does not have.
    public static let invalidGraph = Code("invalid graph")
    /// Metadata that do not say what they must.
    public static let invalidMetadata = Code("invalid metadata")
    /// Vectors that do not fit: their length, or an element that is no number.
    public static let invalidEmbedding = Code("invalid embedding")
    /// A caller's values have the wrong length.
    public static let invalidArgument = Code("invalid argument")
    /// A graph gave something that is no number.
    public static let notFinite = Code("not finite")
    /// A bound of memory.
    public static let tooLarge = Code("too large")
    /// The model has no such version, or no such graph.
    public static let notFound = Code("not found")
    /// A run failed.
    public static let failed = Code("run failed")
    /// A stream of the model could not be read.
    public static let stream = Code("stream failed")
  }

  public var code: Code
  /// What happened, and what to do about it.
  public var message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public init(_ error: StreamError) { self.init(.stream, error.description) }

  init(_ error: VectorError) { self.init(.invalidEmbedding, error.description) }

  public var description: String { message }
}
