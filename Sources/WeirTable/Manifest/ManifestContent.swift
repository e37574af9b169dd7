// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A manifest without its compression, for those who read it again.
struct DecodedManifest: Sendable {
  let header: AvroHeader
  let plan: EntryPlan
  let chunks: [AvroChunk]
  let byteCount: Int
}

/// The blocks of one manifest, one chunk after the other: from its file, or decoded before. One thread
/// at a time.
final class ManifestContent {
  let header: AvroHeader
  let plan: EntryPlan
  private let file: AvroFileReader?
  private var chunks: [AvroChunk]
  private var nextIndex = 0
  /// Bytes of all chunks so far, while they are kept.
  private var byteCount = 0
  /// Whoever wants all chunks when the end is reached, if they are not more than `keptByteCountMax`.
  private var keep: ((DecodedManifest) -> Void)?
  private let keptByteCountMax: Int

  /// - Parameters:
  ///   - keptByteCountMax: Uncompressed bytes that are held at most until the end is reached.
  ///   - keep: Called at the end of the file with what it holds, when that is not more.
  init(
    _ file: AvroFileReader, keptByteCountMax: Int = 0, keep: ((DecodedManifest) -> Void)? = nil
  ) throws(TableError) {
    self.file = file
    header = file.header
    do throws(TableError) {
      plan = try EntryPlan(file.type)
    } catch {
      throw error.adding(file: file.name)
    }
    chunks = []
    self.keptByteCountMax = keptByteCountMax
    self.keep = keep
  }

  init(_ decoded: DecodedManifest) {
    file = nil
    header = decoded.header
    plan = decoded.plan
    chunks = decoded.chunks
    keptByteCountMax = 0
  }

  /// The next chunk; `nil` at the end.
  func next() throws(TableError) -> AvroChunk? {
    guard let file else {
      guard nextIndex < chunks.count else { return nil }
      nextIndex += 1
      return chunks[nextIndex - 1]
    }
    guard let chunk = try file.nextChunk() else {
      keep?(DecodedManifest(header: header, plan: plan, chunks: chunks, byteCount: byteCount))
      keep = nil
      chunks = []
      return nil
    }
    if keep != nil {
      byteCount += chunk.bytes.count + chunk.blocks.count * MemoryLayout<AvroChunk.Block>.stride
      if byteCount <= keptByteCountMax {
        chunks.append(chunk)
      } else {
        keep = nil
        chunks = []
      }
    }
    return chunk
  }
}
