// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirRanker
internal import WeirStreaming
internal import WeirVector

/// What a model's graphs get of features. Serving and replay make it here.
struct ModelInputs {
  let userDense: [Float]
  let user: VectorKey
  let history: [VectorKey?]
  private let metadata: ModelMetadata

  /// - Parameter features: one row of the user's side; `nil` for nulls.
  /// - Throws: `invalidArgument` when the model wants features that the view does not have.
  init(
    _ metadata: ModelMetadata, user: EntityID, features: RecordBatch?
  ) throws(StreamError) {
    self.metadata = metadata
    self.user = user.vectorKey
    guard let features else {
      userDense = [Float](repeating: .nan, count: metadata.userDense.count)
      history = []
      return
    }
    userDense = try Self.dense(metadata.userDense, features)
    guard let name = metadata.history else {
      history = []
      return
    }
    guard let column = features[name], case .list = column.type else {
      throw StreamError(
        .invalidArgument, "the model's history '\(name)' is no list among the user's features")
    }
    guard column.isValid(0) else {
      history = []
      return
    }
    let items = column.children[0]
    history = column.itemRange(0).prefix(metadata.historyLength).map {
      VectorKey(items.scalar(at: $0))
    }
  }

  /// The items' values, one item behind the other.
  func itemDense(_ features: RecordBatch) throws(StreamError) -> [Float] {
    try Self.dense(metadata.itemDense, features)
  }

  /// Values of columns as floats, row by row; NaN for null.
  private static func dense(
    _ names: [String], _ features: RecordBatch
  ) throws(StreamError) -> [Float] {
    let (width, count) = (names.count, features.rowCount)
    var result = [Float](repeating: .nan, count: width * count)
    for (place, name) in names.enumerated() {
      guard let column = features[name] else {
        throw StreamError(
          .invalidArgument, "the model wants the feature '\(name)', which the view does not have")
      }
      switch column.type {
      case .float64:
        let values = column.values(as: Double.self)
        for row in 0..<count where column.isValid(row) {
          result[row * width + place] = Float(values[row])
        }
      case .int64:
        let values = column.values(as: Int64.self)
        for row in 0..<count where column.isValid(row) {
          result[row * width + place] = Float(values[row])
        }
      default:
        for row in 0..<count {
          guard let value = number(column.scalar(at: row), column.type) else {
            throw StreamError(
              .invalidArgument,
              "the model wants the feature '\(name)' as a number, and it is a \(column.type)")
          }
          result[row * width + place] = value
        }
      }
    }
    withExtendedLifetime(features) {}
    return result
  }

  /// NaN for null, `nil` for what is no number.
  private static func number(_ value: Scalar, _ type: DataType) -> Float? {
    switch value {
    case .null:
      switch type {
      case .utf8, .binary, .list, .struct: nil
      default: .nan
      }
    case .bool(let value): value ? 1 : 0
    case .int(let value): Float(value)
    case .uint(let value): Float(value)
    case .float16(let value): Float(value)
    case .float32(let value): value
    case .float64(let value): Float(value)
    default: nil
    }
  }
}

/// What predictions are worth.
struct ModelValue {
  private let taskCount: Int
  private let weights: [(task: Int, weight: Double)]

  /// - Throws: `invalidArgument` for a task that the model does not have.
  init(_ score: SurfaceScore, tasks: [String]) throws(StreamError) {
    taskCount = tasks.count
    guard !score.values.isEmpty else {
      weights = [(0, 1)]
      return
    }
    weights = try score.values.map { value throws(StreamError) in
      guard let task = tasks.firstIndex(of: value.task) else {
        throw StreamError(
          .invalidArgument,
          "the surface values '\(value.task)', and the model foresees \(tasks.joined(separator: ", "))"
        )
      }
      return (task, value.weight)
    }
  }

  /// The worth of each item: the sum of weight and probability in the order of the surface.
  func values(_ scores: [Float]) -> [Double] {
    stride(from: 0, to: scores.count, by: max(1, taskCount)).map { start in
      weights.reduce(0.0) { $0 + $1.weight * Double(scores[start + $1.task]) }
    }
  }
}

extension EntityID {
  var vectorKey: VectorKey {
    switch self {
    case .int(let value): .integer(value)
    case .text(let text): VectorKey(text)
    }
  }

  /// The item that a vector belongs to, as keys of `type` name it.
  init?(_ key: VectorKey, _ type: DataType) {
    switch (key, type) {
    case (_, .utf8): self = .text(key.description)
    case (.integer(let value), .int64): self = .int(value)
    case (.integer(let value), _) where Int32(exactly: value) != nil: self = .int(value)
    default: return nil
    }
  }
}

extension StreamError {
  init(_ error: RankerError) {
    let code: StreamError.Code =
      switch error.code {
      case .notFound: .notFound
      case .invalidArgument: .invalidArgument
      case .stream: .table
      default: .damaged
      }
    self.init(code, "the model: \(error.message)")
  }
}
