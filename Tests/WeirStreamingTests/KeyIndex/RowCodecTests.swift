// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirStreaming

@Suite struct RowCodecTests {
  private func schema(_ random: inout SeededRandom) -> Schema {
    var options = RandomOptions()
    options.dictionaries = false
    return random.schema(options, columns: random.int(0...20))
  }

  /// Rows of random types, also slices with garbage under nulls, come back the same, in any order.
  @Test(arguments: 0..<150) func rowsComeBack(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = schema(&random)
    let batch = random.batch(schema, rows: random.int(0...70))
    let codec = try RowCodec(schema, layoutNumber: UInt16(truncatingIfNeeded: seed &* 977))
    let encoded = try codec.encode(batch)
    #expect(encoded.length == batch.rowCount && encoded.nullCount == 0)
    let decoded = try codec.decode(encoded)
    for column in decoded.columns { #expect(problem(column) == nil) }
    #expect(rows(decoded) == rows(batch))
    // A row's bytes are its own: taken elsewhere, they are the same row.
    let order = (0..<batch.rowCount).map { _ in random.int(0..<max(1, batch.rowCount)) }
    let places = (0..<schema.fields.count).filter { _ in random.chance(0.5) }
    let part = try codec.decode(try encoded.take(order), columns: places)
    #expect(rows(part) == order.map { row in places.map { batch.columns[$0].scalar(at: row) } })
    for row in 0..<batch.rowCount {
      let one = try codec.encode(batch.slice(offset: row, length: 1))
      #expect(one.byteArray(0) == encoded.byteArray(row))
    }
  }

  /// Any bytes are a row or an error; what was decoded is an array that keeps Arrow's rules.
  @Test(arguments: 0..<400) func damagedRows(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = schema(&random)
    let codec = try RowCodec(schema, layoutNumber: 1)
    let encoded = try codec.encode(random.batch(schema, rows: 4))
    var values = (0..<4).map { encoded.byteArray($0) }
    for _ in 0..<random.int(1...4) {
      let row = random.int(0..<4)
      switch random.int(0..<5) {
      case 0: values[row] = random.bytes(random.int(0...80))
      case 1: values[row].removeLast(random.int(0...values[row].count))
      case 2: values[row] += random.bytes(random.int(1...9))
      default:
        if values[row].isEmpty { continue }
        let place = random.int(0..<values[row].count)
        values[row][place] = random.pick([0, 1, 0x7f, 0x80, 0xff, UInt8(random.int(0...255))])
      }
    }
    let damaged = try bytesArray(values)
    let decoded: RecordBatch
    do throws(StreamError) {
      decoded = try codec.decode(damaged)
    } catch {
      #expect(error.code == .damaged)
      return
    }
    #expect(decoded.rowCount == 4)
    var isText = false
    for column in decoded.columns {
      // Text may be any bytes, and keys of maps null; everything else is checked.
      guard let problem = problem(column) else { continue }
      #expect(problem.contains("UTF-8") || problem.contains("key"), "\(problem)")
      isText = true
    }
    if !isText { _ = rows(decoded) }
  }

  /// What breaks Arrow's rules in an array.
  private func problem(_ array: ArrayData) -> String? {
    do throws(ColumnarError) {
      try array.validate(full: true)
      return nil
    } catch { return error.message }
  }

  @Test func dictionariesAreRefused() {
    let type = DataType.list(of: .dictionary(index: .int8, value: .utf8, ordered: false))
    let error = #expect(throws: StreamError.self) {
      try RowCodec(Schema([Field("d", type)]), layoutNumber: 0)
    }
    #expect(error?.code == .unsupported && error?.column == "d")
  }
}
