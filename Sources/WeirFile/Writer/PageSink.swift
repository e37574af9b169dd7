// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Where the bytes of a file go, one behind the other, each part at a multiple of 8.
final class PageSink {
  private let sink: any ObjectWriter
  private(set) var offset = 0

  init(_ sink: any ObjectWriter) { self.sink = sink }

  func write(_ bytes: Buffer) throws(WeirFileError) -> DirectoryEntry.Part {
    let missing = (8 - offset & 7) & 7
    if missing > 0 { try append(Buffer([UInt8](repeating: 0, count: missing))) }
    let part = DirectoryEntry.Part(offset: offset, size: bytes.count, crc: bytes.crc32c)
    guard bytes.count < 1 << 32 else {
      throw WeirFileError(.limitExceeded, "a page of \(bytes.count) bytes; write smaller pages")
    }
    try append(bytes)
    return part
  }

  private func append(_ bytes: Buffer) throws(WeirFileError) {
    do {
      try sink.append(bytes)
    } catch {
      throw WeirFileError(.storage, error.description)
    }
    offset += bytes.count
  }
}
