// SPDX-License-Identifier: Apache-2.0
// Safe: strings live during the calls that get their bytes.

internal import Glibc
internal import Synchronization

/// Notes which columns scans read together, in a folder of the user's: what a layout is learnt of
/// (`weir table layout --learn`). Only a process whose environment names the folder notes anything.
///
/// A file for each table, a line for how many times which columns were read since its last line. A
/// kind of read is noted when it happens for the 1st, 2nd, 4th, 8th ... time in a process, so that a
/// million scans cost twenty lines; what is lost at the end of a process does not matter.
public final class ReadLog: Sendable {
  /// The folder.
  public static let variable = "WEIR_READS"
  /// That of the environment; `nil` when it names none.
  public static let shared: ReadLog? = getenv(variable).flatMap { folder in
    let folder = String(cString: folder)
    return folder.isEmpty ? nil : ReadLog(folder: folder)
  }

  /// Kinds of reads that a process tells apart; others are not noted.
  private static let kindCountMax = 256
  /// Bytes of a line, and of a file, at most.
  private static let lineByteCountMax = 64 << 10
  private static let fileByteCountMax = 1 << 20

  private struct Kind: Hashable {
    var table: String
    var fieldIDs: [Int32]
  }

  private let folder: String
  private let counts = Mutex<[Kind: Int]>([:])

  public init(folder: String) { self.folder = folder }

  private func path(_ table: String) -> String {
    // Whatever a catalog says, the name stays within the folder.
    let name = table.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    return "\(folder)/\(name).reads"
  }

  /// Notes a read of these columns of the table with this UUID. Never fails: what cannot be written is
  /// not noted.
  func add(_ table: String, _ fieldIDs: [Int32]) {
    let kind = Kind(table: table, fieldIDs: Set(fieldIDs).sorted())
    if kind.fieldIDs.isEmpty { return }
    let noted = counts.withLock { counts -> Int in
      guard counts.count < Self.kindCountMax || counts[kind] != nil else { return 0 }
      let count = (counts[kind] ?? 0) + 1
      counts[kind] = count
      return count & (count - 1) == 0 ? max(1, count / 2) : 0
    }
    if noted > 0 { append("\(noted) \(ColumnLayout(kind.fieldIDs).text)\n", to: path(table)) }
  }

  private func append(_ line: String, to path: String) {
    let bytes = Array(line.utf8)
    guard bytes.count <= Self.lineByteCountMax else { return }
    _ = mkdir(folder, 0o700)
    let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    defer { close(file) }
    // One write: lines of several processes do not mix.
    if lseek(file, 0, SEEK_END) < off_t(Self.fileByteCountMax) {
      _ = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    }
  }

  /// What was noted of the table with this UUID; lines that are none are passed over.
  public func reads(_ table: String) -> [ColumnReads] {
    let file = open(path(table), O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Self.fileByteCountMax + Self.lineByteCountMax)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes {
        read(file, $0.baseAddress! + count, $0.count - count)
      }
      if got <= 0 { break }
      count += got
    }
    return bytes[..<count].split(separator: UInt8(ascii: "\n")).compactMap { line in
      let parts = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard parts.count == 2, let times = Int(parts[0]), times > 0,
        let layout = ColumnLayout(parts[1])
      else { return nil }
      return ColumnReads(layout.fieldIDs, count: times)
    }
  }

  /// Forgets what was noted of the table.
  public func forget(_ table: String) { _ = unlink(path(table)) }
}
