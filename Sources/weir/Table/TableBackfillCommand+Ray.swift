// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirTable

extension TableBackfillCommand {
  /// Has Ray's tasks do it. The source is read here, whatever it is: its keys and values go there as an
  /// Arrow stream.
  func runOnRay() throws {
    let predicate = try filter.map { try WhereSelection.parse($0) }
    var options = [
      ("--column", column), ("--key", key), ("--value", value),
      ("--memory", memory.map(String.init)),
    ]
    if let from {
      let table = try table.open()
      let rows = try source(from, predicate)
      options.append(("--rows", try inherited(rows, neededColumns(rows.schema, table.schema))))
    } else {
      options.append(("--where", filter))
    }
    try engine.become(
      ["backfill"] + table.rayWords(), options, flags: [("--json", output.json)])
  }

  /// What of a source is needed: all of it where a name is not there, for the library says what is wrong.
  private func neededColumns(_ source: Schema, _ target: TableSchema) -> [Int] {
    let keys =
      key.map { $0.split(separator: ",").map(String.init) }
      ?? target.identifierFieldIDs.sorted().compactMap { target.path(ofFieldID: $0) }
    let value = value ?? column
    let terms = (try? ScalarExpression(parsing: value).terms.compactMap(\.path.first)) ?? []
    let values = source[value] == nil ? terms : [value]
    let all = Array(source.fields.indices)
    guard !keys.isEmpty, (keys + values).allSatisfy({ source[$0] != nil }) else { return all }
    return all.filter { (keys + values).contains(source.fields[$0].name) }
  }

  /// Writes rows to a file without a name, which the process that this one becomes has open, too.
  ///
  /// - Returns: a path by which that opens it.
  private func inherited(_ rows: some RecordBatchReader, _ columns: [Int]) throws -> String {
    var path = Array("\(Terminal.environment("TMPDIR") ?? "/tmp")/weir-rows-XXXXXX".utf8CString)
    let file = mkstemp(&path)
    guard file >= 0, unlink(path) == 0 else {
      throw CommandFailure(
        "no file can be made for the rows of the source: \(String(cString: strerror(errno)))",
        hint: "TMPDIR says in which folder it is made.")
    }
    let schema = Schema(columns.map { rows.schema.fields[$0] })
    let writer = try ArrowStreamWriter(schema: schema) { try Self.write($0, to: file) }
    let bytesMax = memory.map { $0 << 20 } ?? BackfillOptions(column: column).sourceBytesMax
    while let batch = try rows.next() {
      try writer.write(
        RecordBatch(
          trusted: schema, columns: columns.map { batch.columns[$0] }, rowCount: batch.rowCount))
      guard writer.byteCount <= bytesMax else {
        throw CommandFailure(
          "the keys and values of the source take more than \(Numbers.bytes(bytesMax))",
          hint: "--where takes a part of them; each task holds them all, up to --memory.")
      }
    }
    try writer.finish()
    return "/proc/self/fd/\(file)"
  }

  private static func write(_ bytes: Buffer, to file: Int32) throws {
    let array = bytes.array(of: UInt8.self)
    var rest = array[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      guard count >= 0 || errno == EINTR else {
        throw CommandFailure(
          "the rows of the source cannot be written: \(String(cString: strerror(errno)))",
          hint: "TMPDIR says in which folder they are.")
      }
      rest = rest.dropFirst(max(0, count))
    }
  }
}
