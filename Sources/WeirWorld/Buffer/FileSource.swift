// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage

/// The bytes of a file, 256 KiB at a time.
package final class FileSource: ByteSource {
  private static let pieceBytes = 256 << 10

  private let reader: any ObjectReader
  package let name: String
  package private(set) var consumedByteCount = 0

  package var totalByteCount: Int { reader.size }

  private init(_ path: String) throws(WorldError) {
    do throws(StorageError) {
      reader = try LocalFile.open(path)
    } catch {
      throw WorldError(
        error.code == .notFound ? .notFound : .readFailed, error.message, file: path)
    }
    name = path
  }

  /// The text of a file; one whose name ends in `.gz` or `.zst` is decompressed on the way.
  package static func text(_ path: String) throws(WorldError) -> any ByteSource {
    let file = try FileSource(path)
    if path.hasSuffix(".gz") { return try DecompressedSource(file, .gzip) }
    if path.hasSuffix(".zst") { return try DecompressedSource(file, .zstd) }
    return file
  }

  package func next() throws(WorldError) -> [UInt8]? {
    try nextBuffer()?.array(of: UInt8.self)
  }

  fileprivate func nextBuffer() throws(WorldError) -> Buffer? {
    let end = min(reader.size, consumedByteCount + FileSource.pieceBytes)
    if end == consumedByteCount { return nil }
    do throws(StorageError) {
      let bytes = try reader.read(consumedByteCount..<end)
      consumedByteCount = end
      return bytes
    } catch {
      throw WorldError(.readFailed, error.message, file: name)
    }
  }
}

/// The decompressed bytes of a file, in bounded memory.
private final class DecompressedSource: ByteSource {
  private static let pieceBytes = 256 << 10

  private let file: FileSource
  private let stream: StreamDecompressor
  private var input = Buffer()
  private var inputPosition = 0
  /// The last call filled its output: more may wait inside.
  private var mayHoldMore = false

  var name: String { file.name }
  var consumedByteCount: Int { file.consumedByteCount }
  var totalByteCount: Int { file.totalByteCount }

  init(_ file: FileSource, _ codec: Codec) throws(WorldError) {
    self.file = file
    do throws(CompressionError) {
      stream = try StreamDecompressor(codec)
    } catch {
      throw WorldError(.readFailed, error.message, file: file.name)
    }
  }

  func next() throws(WorldError) -> [UInt8]? {
    while true {
      if inputPosition == input.count && !mayHoldMore {
        guard let more = try file.nextBuffer() else {
          try check { () throws(CompressionError) in try self.stream.finish() }
          return nil
        }
        input = more
        inputPosition = 0
      }
      let piece = try pull()
      if !piece.isEmpty { return piece }
    }
  }

  private func pull() throws(WorldError) -> [UInt8] {
    let output = MutableBuffer(capacity: DecompressedSource.pieceBytes)
    let rest = input.slice(offset: inputPosition, count: input.count - inputPosition)
    // Safe: both buffers outlive the call, and `decompress` stays within the given counts.
    let target = UnsafeMutableRawBufferPointer(
      start: output.reserveTail(DecompressedSource.pieceBytes),
      count: DecompressedSource.pieceBytes)
    let progress = try check { () throws(CompressionError) in
      try rest.withUnsafeBytes { bytes throws(CompressionError) in
        try self.stream.decompress(bytes, into: target)
      }
    }
    output.advance(by: progress.produced)
    inputPosition += progress.consumed
    mayHoldMore = progress.produced == target.count
    return output.finish().array(of: UInt8.self)
  }

  private func check<R>(_ body: () throws(CompressionError) -> R) throws(WorldError) -> R {
    do throws(CompressionError) {
      return try body()
    } catch {
      throw WorldError(
        .invalidData, "the compressed bytes are damaged: \(error.message)", file: name)
    }
  }
}

/// Facts about files by name.
package enum FileProbe {
  /// The size of a regular file that can be opened; `nil` when there is none.
  package static func size(_ path: String) -> Int? { try? LocalFile.open(path).size }
}
