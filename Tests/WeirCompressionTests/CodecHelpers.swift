// SPDX-License-Identifier: Apache-2.0

internal import WeirCompression

extension Compressor {
  /// The compressed bytes of `input`.
  func compress(_ input: [UInt8]) throws -> [UInt8] {
    var output = [UInt8](repeating: 0, count: maxCompressedSize(input.count))
    let count = try input.withUnsafeBytes { source in
      try output.withUnsafeMutableBytes { try compress(source, into: $0) }
    }
    return Array(output[..<count])
  }
}

/// Bytes around an output that nobody may change.
let guardByteCount = 64
let guardByte: UInt8 = 0xa5

/// Raised when a decompressor wrote outside its output.
struct OverrunError: Error {}

extension Decompressor {
  /// Decompresses into a space of exactly `capacity` bytes with guard bytes on both sides.
  func decompress(_ input: [UInt8], capacity: Int) throws -> [UInt8] {
    var memory = [UInt8](repeating: guardByte, count: capacity + 2 * guardByteCount)
    let result = Result {
      try input.withUnsafeBytes { source in
        try memory.withUnsafeMutableBytes {
          try decompress(
            source,
            into: UnsafeMutableRawBufferPointer(
              rebasing: $0[guardByteCount..<(guardByteCount + capacity)]))
        }
      }
    }
    guard memory[..<guardByteCount].allSatisfy({ $0 == guardByte }),
      memory[(guardByteCount + capacity)...].allSatisfy({ $0 == guardByte })
    else { throw OverrunError() }
    return Array(memory[guardByteCount..<(guardByteCount + (try result.get()))])
  }
}

extension StreamDecompressor {
  /// The whole result, with pieces of at most these sizes pushed and pulled.
  func decompressAll(_ input: [UInt8], inputStep: Int, outputStep: Int) throws -> [UInt8] {
    var result = [UInt8]()
    var space = [UInt8](repeating: 0, count: outputStep)
    var read = 0
    while true {
      let piece = Array(input[read..<min(read + inputStep, input.count)])
      let progress = try piece.withUnsafeBytes { source in
        try space.withUnsafeMutableBytes { try decompress(source, into: $0) }
      }
      read += progress.consumed
      result += space[..<progress.produced]
      if read == input.count && progress.produced < outputStep { break }
    }
    try finish()
    return result
  }
}

/// The bytes that hexadecimal digits stand for.
func bytes(hex: String) -> [UInt8] {
  let digits = hex.utf8.map { UInt8($0 <= 57 ? $0 - 48 : $0 - 87) }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The code of the `CompressionError` that `body` throws, `nil` when it throws none.
func errorCode<T>(_ body: () throws -> T) -> CompressionError.Code? {
  do {
    _ = try body()
    return nil
  } catch let error as CompressionError {
    return error.code
  } catch {
    return nil
  }
}
