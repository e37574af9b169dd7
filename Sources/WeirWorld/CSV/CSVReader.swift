// SPDX-License-Identifier: Apache-2.0

/// How a CSV text is written.
package struct CSVOptions: Sendable {
  /// Between fields.
  package var delimiter: UInt8 = 0x2c
  /// Around fields that hold delimiters, quotes or line ends; doubled inside them.
  package var quote: UInt8 = 0x22
  /// The most bytes that one record may have; more is an error, so that an unclosed quote in a
  /// large file does not fill the memory.
  package var recordBytesMax = 16 << 20

  package init() {}
}

/// Records of a CSV text (RFC 4180), one at a time, in bounded memory.
///
/// Lines end with LF, CR LF or CR. A field may be quoted; inside quotes two quotes stand for one, and
/// delimiters and line ends are text. A quote inside an unquoted field is text. Lines without any
/// byte are skipped, and so is a UTF-8 byte order mark at the start. Errors name the source and the
/// line. One thread at a time.
///
/// How it works: a state machine walks the current piece of input; runs of plain bytes are copied
/// to the record in one step, and the state survives the seam between pieces.
package final class CSVReader {
  private enum State {
    case fieldStart, unquoted, quoted, quoteInQuoted
  }

  private let source: any ByteSource
  private let options: CSVOptions
  private var piece: [UInt8] = []
  private var position = 0
  private var atStart = true
  /// A CR ended the last record: an LF that follows belongs to it.
  private var skipsLineFeed = false
  /// Line of the next unread byte, counted from 1.
  private var nextLine = 1

  /// The record's fields, one behind the other.
  package private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []
  /// The line where the record begins.
  package private(set) var line = 1

  package var name: String { source.name }
  package var fieldCount: Int { ends.count }
  package var consumedByteCount: Int { source.consumedByteCount }
  package var totalByteCount: Int { source.totalByteCount }
  /// Bytes of text in the pieces so far, after decompression.
  package private(set) var textByteCount = 0

  package init(_ source: any ByteSource, options: CSVOptions = CSVOptions()) {
    self.source = source
    self.options = options
  }

  /// The bytes of field `index` of the record, without quotes.
  package func field(_ index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// Field `index` of the record as text; bytes that are not UTF-8 become U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: field(index), as: UTF8.self) }

  /// Moves to the next record; false at the end of the text.
  package func next() throws(WorldError) -> Bool {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    var state = State.fieldStart
    while true {
      if position == piece.count {
        guard try refill() else { return try finish(state) }
        continue
      }
      if skipsLineFeed {
        skipsLineFeed = false
        if piece[position] == 0x0a {
          position += 1
          continue
        }
      }
      if bytes.isEmpty && ends.isEmpty && state == .fieldStart { line = nextLine }
      if try step(&state) { return true }
    }
  }

  /// Consumes at least one byte of the piece; true when a record is complete.
  private func step(_ state: inout State) throws(WorldError) -> Bool {
    let byte = piece[position]
    switch state {
    case .quoted:
      appendRun { $0 == self.options.quote }
      try checkSize()
      if position < piece.count {
        position += 1
        state = .quoteInQuoted
      }
      return false
    case .quoteInQuoted where byte == options.quote:
      bytes.append(byte)
      position += 1
      state = .quoted
      return false
    case .fieldStart where byte == options.quote:
      position += 1
      state = .quoted
      return false
    default: break
    }
    if byte == options.delimiter {
      ends.append(bytes.count)
      try checkSize()
      position += 1
      state = .fieldStart
      return false
    }
    if byte == 0x0a || byte == 0x0d {
      position += 1
      nextLine += 1
      skipsLineFeed = byte == 0x0d
      if state == .fieldStart && ends.isEmpty { return false }
      ends.append(bytes.count)
      return true
    }
    if state == .quoteInQuoted {
      throw error("text follows a closing quote; quotes inside a quoted field are doubled (\"\")")
    }
    let delimiter = options.delimiter
    appendRun { $0 == delimiter || $0 == 0x0a || $0 == 0x0d }
    try checkSize()
    state = .unquoted
    return false
  }

  /// Copies bytes to the record up to the first that `stops`, which stays unread.
  @inline(__always)
  private func appendRun(until stops: (UInt8) -> Bool) {
    let start = position
    var end = start
    var lines = 0
    piece.withUnsafeBufferPointer { piece in
      while end < piece.count && !stops(piece[end]) {
        lines += piece[end] == 0x0a ? 1 : 0
        end += 1
      }
    }
    bytes.append(contentsOf: piece[start..<end])
    nextLine += lines
    position = end
  }

  private func checkSize() throws(WorldError) {
    guard bytes.count + ends.count <= options.recordBytesMax else {
      throw error(
        "the record that begins here has more than \(options.recordBytesMax) bytes; "
          + "is a quote not closed?")
    }
  }

  /// The next piece of input; false at its end.
  private func refill() throws(WorldError) -> Bool {
    guard let next = try source.next() else { return false }
    piece = next
    position = 0
    textByteCount += next.count
    if atStart {
      // The mark's three bytes could lie in several pieces: collect them first.
      while piece.count < 3, let more = try source.next() {
        piece += more
        textByteCount += more.count
      }
      if piece.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
      atStart = false
    }
    return true
  }

  /// The text has ended: the last record needs no line end.
  private func finish(_ state: State) throws(WorldError) -> Bool {
    switch state {
    case .quoted:
      throw error("a quoted field that begins in this record is not closed before the text ends")
    case .fieldStart where ends.isEmpty: return false
    default:
      ends.append(bytes.count)
      return true
    }
  }

  package func error(_ message: String) -> WorldError {
    WorldError(.invalidData, message, file: source.name, line: line)
  }
}
