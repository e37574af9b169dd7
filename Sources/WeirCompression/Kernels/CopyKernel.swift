// SPDX-License-Identifier: Apache-2.0

/// What the C libraries get in place of the address of an empty piece.
enum Empty {
  // Safe: allocated once, never freed; every use has a count of zero, so it is never read or
  // written.
  nonisolated(unsafe) static let address = UnsafeMutableRawPointer.allocate(
    byteCount: 64, alignment: 64)
}

extension UnsafeRawBufferPointer {
  /// The first byte's address; a valid one for an empty buffer, too.
  @inline(__always)
  var address: UnsafeRawPointer { baseAddress ?? UnsafeRawPointer(Empty.address) }

  /// The same for a C function that takes characters.
  @inline(__always)
  var characters: UnsafePointer<CChar> { address.assumingMemoryBound(to: CChar.self) }

  /// The same for a C function that takes bytes.
  @inline(__always)
  var bytes: UnsafePointer<UInt8> { address.assumingMemoryBound(to: UInt8.self) }
}

extension UnsafeMutableRawBufferPointer {
  /// The first byte's address; a valid one for an empty buffer, too.
  @inline(__always)
  var address: UnsafeMutableRawPointer { baseAddress ?? Empty.address }

  /// The same for a C function that takes characters.
  @inline(__always)
  var characters: UnsafeMutablePointer<CChar> { address.assumingMemoryBound(to: CChar.self) }

  /// The same for a C function that takes bytes.
  @inline(__always)
  var bytes: UnsafeMutablePointer<UInt8> { address.assumingMemoryBound(to: UInt8.self) }
}

/// The codec `none`.
enum CopyKernel {
  static func copy(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard input.count <= output.count else {
      throw .outputTooSmall(.none, outputCount: output.count)
    }
    // Safe: the output holds at least as many bytes as the input.
    output.copyMemory(from: input)
    return input.count
  }
}
