// SPDX-License-Identifier: Apache-2.0

/// Bytes in order, pulled by a reader. One thread at a time may use it.
public protocol ArrowByteSource: AnyObject {
  /// Bytes that are left, where that is known: a message that says it is longer is then refused at
  /// once.
  var remainingBytes: Int? { get }

  /// The next `count` bytes; fewer only at the end.
  func read(_ count: Int) throws -> Buffer
}

/// Bytes in memory; what is read shares them.
public final class ArrowBufferSource: ArrowByteSource {
  private var rest: Buffer

  public init(_ bytes: Buffer) { rest = bytes }

  public var remainingBytes: Int? { rest.count }

  public func read(_ count: Int) -> Buffer {
    let taken = min(count, rest.count)
    defer { rest = rest.slice(offset: taken, count: rest.count - taken) }
    return rest.slice(offset: 0, count: taken)
  }
}

/// Bytes that come in chunks of any size, from a socket or a file. What lies within one chunk is not
/// copied; memory for the rest grows with what has come, not with what was announced.
public final class ArrowChunkSource: ArrowByteSource {
  private let nextChunk: () throws -> Buffer?
  private var chunk = Buffer()
  private var atEnd = false

  /// - Parameter nextChunk: the next bytes; `nil` at the end.
  public init(_ nextChunk: @escaping () throws -> Buffer?) { self.nextChunk = nextChunk }

  public var remainingBytes: Int? { nil }

  public func read(_ count: Int) throws -> Buffer {
    while chunk.count == 0 && !atEnd && count > 0 { try fill() }
    if chunk.count >= count || atEnd { return take(count) }
    let joined = MutableBuffer(capacity: chunk.count)
    while joined.count < count {
      joined.append(take(count - joined.count))
      if joined.count == count || atEnd { break }
      try fill()
    }
    return joined.finish()
  }

  private func take(_ count: Int) -> Buffer {
    let taken = min(count, chunk.count)
    defer { chunk = chunk.slice(offset: taken, count: chunk.count - taken) }
    return chunk.slice(offset: 0, count: taken)
  }

  private func fill() throws {
    if let next = try nextChunk() { chunk = next } else { atEnd = true }
  }
}
