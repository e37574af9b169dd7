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

/// One record: its fields, without quotes, one behind the other.
package struct CSVRecord: Sendable {
  package fileprivate(set) var bytes: [UInt8] = []
  fileprivate var ends: [Int] = []
  /// The line where it begins, counted from 1.
  package fileprivate(set) var line = 1

  package var fieldCount: Int { ends.count }
  package var byteCount: Int { bytes.count }

  /// The bytes of field `index`.
  package func field(_ index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }
}

/// Records of a CSV text (RFC 4180), one at a time, in bounded memory.
///
/// Lines end with LF, CR LF or CR. A field may be quoted; inside quotes two quotes stand for one, and
/// delimiters and line ends are text. A quote inside an unquoted field is text. Lines without any
/// byte are skipped, and so is a UTF-8 byte order mark at the start. Errors name the source and the
/// line. One thread at a time.
package final class CSVReader {
  private let source: any ByteSource
  private var scanner: CSVScanner
  private var atStart = true
  /// Bytes of text in the pieces so far, after decompression.
  package private(set) var textByteCount = 0

  package init(_ source: any ByteSource, options: CSVOptions = CSVOptions()) {
    self.source = source
    scanner = CSVScanner(options)
  }

  package var name: String { source.name }
  package var consumedByteCount: Int { source.consumedByteCount }
  package var totalByteCount: Int { source.totalByteCount }

  /// The record that `next()` moved to. Let go of it before the next call, which would copy it.
  package var record: CSVRecord { scanner.record }
  package var fieldCount: Int { scanner.record.fieldCount }
  package var line: Int { scanner.record.line }

  package func field(_ index: Int) -> ArraySlice<UInt8> { scanner.record.field(index) }

  /// Field `index` of the record as text; bytes that are not UTF-8 become U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: field(index), as: UTF8.self) }

  /// Moves to the next record; false at the end of the text.
  package func next() throws(WorldError) -> Bool {
    scanner.begin()
    while true {
      switch scanner.advance() {
      case .record: return true
      case .failed(let message): throw error(message)
      case .needsInput:
        if let piece = try source.next() {
          scanner.feed(try withoutMark(piece))
          continue
        }
        switch scanner.finish() {
        case .record: return true
        case .failed(let message): throw error(message)
        case .needsInput: return false
        }
      }
    }
  }

  /// The first piece without a byte order mark, whose three bytes could lie in several pieces.
  private func withoutMark(_ piece: [UInt8]) throws(WorldError) -> [UInt8] {
    textByteCount += piece.count
    guard atStart else { return piece }
    atStart = false
    var start = piece
    while start.count < 3, let more = try source.next() {
      start += more
      textByteCount += more.count
    }
    return start.starts(with: [0xef, 0xbb, 0xbf]) ? Array(start.dropFirst(3)) : start
  }

  package func error(_ message: String) -> WorldError {
    WorldError(.invalidData, message, file: source.name, line: line)
  }
}

/// The state machine below `CSVReader`: walks the current piece of input; runs of plain bytes are
/// copied to the record in one step, and the state survives the seam between pieces.
private struct CSVScanner {
  enum Step {
    case record
    case needsInput
    case failed(String)
  }

  private enum State {
    case fieldStart, unquoted, quoted, quoteInQuoted
  }

  private let options: CSVOptions
  private var piece: [UInt8] = []
  private var position = 0
  private var state = State.fieldStart
  /// A CR ended the last record: an LF that follows belongs to it.
  private var skipsLineFeed = false
  /// Line of the next unread byte, counted from 1.
  private var nextLine = 1
  private(set) var record = CSVRecord()

  init(_ options: CSVOptions) { self.options = options }

  /// Starts a new record.
  mutating func begin() {
    record.bytes.removeAll(keepingCapacity: true)
    record.ends.removeAll(keepingCapacity: true)
    state = .fieldStart
  }

  /// Takes the next piece of input; the last one was used up.
  mutating func feed(_ piece: [UInt8]) {
    self.piece = piece
    position = 0
  }

  /// Goes on to the end of the record or of the piece.
  mutating func advance() -> Step {
    while position < piece.count {
      if skipsLineFeed {
        skipsLineFeed = false
        if piece[position] == 0x0a {
          position += 1
          continue
        }
      }
      if state == .fieldStart && record.ends.isEmpty { record.line = nextLine }
      if let step = step() { return step }
      if record.bytes.count + record.ends.count > options.recordBytesMax {
        return .failed(
          "the record that begins here has more than \(options.recordBytesMax) bytes; "
            + "is a quote not closed?")
      }
    }
    return .needsInput
  }

  /// Consumes at least one byte of the piece; `nil` when the record goes on.
  private mutating func step() -> Step? {
    let byte = piece[position]
    switch state {
    case .quoted:
      let quote = options.quote
      appendRun { $0 == quote }
      if position < piece.count {
        position += 1
        state = .quoteInQuoted
      }
      return nil
    case .quoteInQuoted where byte == options.quote:
      record.bytes.append(byte)
      position += 1
      state = .quoted
      return nil
    case .fieldStart where byte == options.quote:
      position += 1
      state = .quoted
      return nil
    default: break
    }
    if byte == options.delimiter {
      record.ends.append(record.bytes.count)
      position += 1
      state = .fieldStart
      return nil
    }
    if byte == 0x0a || byte == 0x0d {
      position += 1
      nextLine += 1
      skipsLineFeed = byte == 0x0d
      if state == .fieldStart && record.ends.isEmpty { return nil }
      record.ends.append(record.bytes.count)
      return .record
    }
    if state == .quoteInQuoted {
      return .failed(
        "text follows a closing quote; quotes inside a quoted field are doubled (\"\")")
    }
    let delimiter = options.delimiter
    appendRun { $0 == delimiter || $0 == 0x0a || $0 == 0x0d }
    state = .unquoted
    return nil
  }

  /// Copies bytes to the record up to the first that `stops`, which stays unread.
  @inline(__always)
  private mutating func appendRun(until stops: (UInt8) -> Bool) {
    let start = position
    var end = start
    var lines = 0
    while end < piece.count {
      let byte = piece[end]
      if stops(byte) { break }
      lines += byte == 0x0a ? 1 : 0
      end += 1
    }
    record.bytes.append(contentsOf: piece[start..<end])
    nextLine += lines
    position = end
  }

  /// The text has ended: the last record needs no line end. `needsInput` means that there is none.
  mutating func finish() -> Step {
    switch state {
    case .quoted:
      return .failed(
        "a quoted field that begins in this record is not closed before the text ends")
    case .fieldStart where record.ends.isEmpty: return .needsInput
    default:
      record.ends.append(record.bytes.count)
      return .record
    }
  }
}
