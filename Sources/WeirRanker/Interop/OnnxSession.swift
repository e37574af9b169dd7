// SPDX-License-Identifier: Apache-2.0
// Safe: pointers given to C are those of arrays, within the scope of the one call that uses them; the
// session is destroyed when nobody can use it any more.

internal import CWeirOnnx

/// What a graph says of an input or an output.
public struct OnnxTensor: Hashable, Sendable, CustomStringConvertible {
  public var name: String
  /// Whether it is a tensor of float32.
  public var isFloat: Bool
  /// `nil` where the graph leaves a length open.
  public var dimensions: [Int?]

  public init(name: String, isFloat: Bool, dimensions: [Int?]) {
    self.name = name
    self.isFloat = isFloat
    self.dimensions = dimensions
  }

  public var description: String {
    let lengths = dimensions.map { $0.map { "\($0)" } ?? "?" }.joined(separator: ", ")
    return "'\(name)' [\(lengths)]" + (isFloat ? "" : " that is not of float32")
  }
}

/// Values of one input of a run.
public struct OnnxInput {
  public var name: String
  public var dimensions: [Int]
  /// In C order, as many as the product of the dimensions.
  public var values: [Float]

  public init(_ name: String, _ dimensions: [Int], _ values: [Float]) {
    self.name = name
    self.dimensions = dimensions
    self.values = values
  }
}

/// A graph in ONNX form, ready to run. Threads may run it at once, each run on its own thread alone.
public final class OnnxSession: Sendable {
  public let inputs: [OnnxTensor]
  public let outputs: [OnnxTensor]
  private nonisolated(unsafe) let session: OpaquePointer

  public static let byteCountMax = 256 << 20

  /// Reads a graph. Cost: milliseconds for graphs of some layers.
  ///
  /// - Throws: `libraryMissing`; `invalidGraph`.
  public init(_ graph: [UInt8], runtime: OnnxRuntime) throws(RankerError) {
    try runtime.load()
    guard graph.count <= Self.byteCountMax else {
      throw RankerError(.tooLarge, "a graph has at most \(Self.byteCountMax) bytes")
    }
    var session: OpaquePointer?
    let reason = OnnxRuntime.withText { message in
      session = weir_onnx_session_create(graph, graph.count, &message, message.count)
      return session == nil ? -1 : 0
    }
    guard let session else {
      throw RankerError(.invalidGraph, "the graph cannot be read: \(reason ?? "")")
    }
    self.session = session
    inputs = (0..<weir_onnx_input_count(session)).map { Self.tensor(weir_onnx_input(session, $0)) }
    outputs = (0..<weir_onnx_output_count(session)).map {
      Self.tensor(weir_onnx_output(session, $0))
    }
  }

  deinit { weir_onnx_session_destroy(session) }

  private static func tensor(_ tensor: UnsafePointer<weir_onnx_tensor>?) -> OnnxTensor {
    guard let tensor = tensor?.pointee else { preconditionFailure("an input that is not there") }
    let lengths = withUnsafeBytes(of: tensor.dimensions) { bytes in
      bytes.bindMemory(to: Int64.self).prefix(tensor.rank).map { $0 < 0 ? nil : Int($0) }
    }
    let isKnown = tensor.rank <= Int(WEIR_ONNX_RANK_MAX)
    return OnnxTensor(
      name: String(cString: tensor.name),
      isFloat: tensor.element_type == Int32(WEIR_ONNX_FLOAT) && isKnown, dimensions: lengths)
  }

  /// Runs the graph.
  ///
  /// - Parameters:
  ///   - output: the output's name.
  ///   - dimensions: the shape that it must have.
  /// - Returns: the output in C order.
  /// - Throws: `invalidArgument` when values and dimensions do not fit; `failed`.
  public func run(
    _ inputs: [OnnxInput], output: String, dimensions: [Int]
  ) throws(RankerError) -> [Float] {
    for input in inputs where input.values.count != input.dimensions.reduce(1, *) {
      throw RankerError(
        .invalidArgument,
        "the input '\(input.name)' has \(input.values.count) values for \(input.dimensions)")
    }
    var result = [Float](repeating: 0, count: dimensions.reduce(1, *))
    let count = result.count
    let reason = OnnxRuntime.withText { message in
      withValues(inputs[...], []) { values in
        result.withUnsafeMutableBufferPointer { memory in
          withValue(output, dimensions, memory.baseAddress, count) { target in
            var target = target
            return weir_onnx_run(session, values, values.count, &target, &message, message.count)
          }
        }
      }
    }
    if let reason { throw RankerError(.failed, "the graph did not run: \(reason)") }
    return result
  }
}

/// The values of all inputs, while `body` runs. ONNX Runtime does not write inputs.
private func withValues(
  _ inputs: ArraySlice<OnnxInput>, _ values: [weir_onnx_value],
  _ body: ([weir_onnx_value]) -> Int32
) -> Int32 {
  guard let first = inputs.first else { return body(values) }
  return first.values.withUnsafeBufferPointer { memory in
    withValue(
      first.name, first.dimensions, UnsafeMutablePointer(mutating: memory.baseAddress),
      memory.count
    ) { value in
      withValues(inputs.dropFirst(), values + [value], body)
    }
  }
}

private func withValue(
  _ name: String, _ dimensions: [Int], _ values: UnsafeMutablePointer<Float>?, _ count: Int,
  _ body: (weir_onnx_value) -> Int32
) -> Int32 {
  let lengths = dimensions.map { Int64($0) }
  return name.withCString { name in
    lengths.withUnsafeBufferPointer { lengths in
      var value = weir_onnx_value()
      value.name = name
      value.values = values
      value.count = count
      value.dimensions = lengths.baseAddress
      value.rank = lengths.count
      return body(value)
    }
  }
}
