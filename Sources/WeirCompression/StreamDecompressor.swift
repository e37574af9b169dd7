// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, used within their counts and during the call only.

/// Decompresses a stream of unknown length piece by piece, with bounded memory.
///
/// Takes gzip (any number of members; zlib streams, too) and zstd (any number of frames). Push input
/// and pull output with `decompress`; when the input's end is reached and `decompress` consumed all
/// of it without filling the output, call `finish()`. Not thread-safe.
public final class StreamDecompressor {
  /// How far one call came.
  public struct Progress: Sendable, Equatable {
    /// Bytes of the input that are done with; push the rest again.
    public var consumed: Int
    /// Bytes written to the start of the output.
    public var produced: Int
  }

  /// The largest zstd window read unless another limit is given: 128 MiB, zstd's own default.
  public static let zstdWindowLogMaxDefault = 27

  private enum Decoder {
    case gzip(ZlibInflater)
    case zstd(ZstdDecoder)
  }

  /// Where the stream is.
  private enum State {
    case start
    case inMember
    case betweenMembers
    case failed
  }

  public let codec: Codec
  private let decoder: Decoder
  private var state = State.start
  /// Whether the last call filled its output, so that more may be waiting inside.
  private var outputWasFilled = false

  /// Bytes consumed so far, of all members.
  public private(set) var totalConsumed = 0
  /// Bytes produced so far, of all members.
  public private(set) var totalProduced = 0

  /// - Parameters:
  ///   - codec: `gzip` or `zstd`.
  ///   - zstdWindowLogMax: 10...31; a frame whose window is larger than `1 << zstdWindowLogMax`
  ///     bytes is an error. It bounds the memory that a stream can make this object use.
  public init(
    _ codec: Codec, zstdWindowLogMax: Int = zstdWindowLogMaxDefault
  ) throws(CompressionError) {
    self.codec = codec
    switch codec {
    case .gzip: decoder = .gzip(ZlibInflater())
    case .zstd:
      guard (10...31).contains(zstdWindowLogMax) else {
        throw CompressionError(
          .invalidArgument, codec, "the window limit \(zstdWindowLogMax) is outside 10...31")
      }
      let zstd = ZstdDecoder()
      zstd.limitWindow(log: zstdWindowLogMax)
      decoder = .zstd(zstd)
    default:
      throw CompressionError(.unsupported, codec, "only gzip and zstd are read as streams")
    }
  }

  /// Consumes input and produces output until one of them is used up.
  ///
  /// While it fills the whole output there may be more to pull, even from an empty input. After an
  /// error the stream stays failed.
  public func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Progress {
    guard state != .failed else {
      throw CompressionError(.invalidData, codec, "the stream failed before")
    }
    var progress = Progress(consumed: 0, produced: 0)
    // Nothing to do; zstd counts such calls, and fails after some.
    if input.count == 0 && (!outputWasFilled || output.count == 0) { return progress }
    do throws(CompressionError) {
      while true {
        if state != .inMember {
          // A member starts with its first byte, so that an empty push between two is nothing.
          if progress.consumed == input.count { break }
          if case .gzip(let zlib) = decoder { zlib.reset() }
          state = .inMember
        }
        let (consumed, produced, ended) = try step(
          UnsafeRawBufferPointer(rebasing: input[progress.consumed...]),
          UnsafeMutableRawBufferPointer(rebasing: output[progress.produced...]))
        progress.consumed += consumed
        progress.produced += produced
        if ended {
          state = .betweenMembers
        } else if consumed == 0 && produced == 0 {
          break
        }
      }
    } catch {
      state = .failed
      throw error
    }
    outputWasFilled = progress.produced == output.count
    totalConsumed += progress.consumed
    totalProduced += progress.produced
    return progress
  }

  /// Declares the input's end; throws `truncated` when it lies within a member or before the first.
  public func finish() throws(CompressionError) {
    guard state == .betweenMembers else {
      throw CompressionError(
        .truncated, codec, "the compressed data ends too early, after \(totalConsumed) bytes")
    }
  }

  private func step(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int, ended: Bool) {
    switch decoder {
    case .gzip(let zlib): try zlib.step(input, into: output)
    case .zstd(let zstd): try zstd.step(input, into: output)
    }
  }
}
