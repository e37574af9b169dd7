// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

/// Views are only read, so their stream comes from another implementation: pyarrow 26 wrote it from
/// `s: string_view` and `b: binary_view` with the rows of `ArrowViewTests`.
func viewStream() throws -> Buffer {
  let text = """
    /////5gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAIAAAA8AAAABAAAANz///8A
    AAEXEAAAABQAAAAEAAAAAAAAAAEAAABiAAAAzP///xAAFAAIAAYABwAMAAAAEAAQAAAAAAABGBAAAAAYAAAABAAAAAAA
    AAABAAAAcwAAAAQABAAEAAAAAAAAAP/////4AAAAFAAAAAAAAAAMABYABgAFAAgADAAMAAAAAAMEABwAAADoAAAAAAAA
    AAAADgAcABAABAAIAAAADAAOAAAAmAAAACwAAAAQAAAABQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAQAAAAAAAAAAAAAA
    BgAAAAAAAAAAAAAAAQAAAAAAAAAIAAAAAAAAAFAAAAAAAAAAWAAAAAAAAAAcAAAAAAAAAHgAAAAAAAAAAQAAAAAAAACA
    AAAAAAAAAFAAAAAAAAAA0AAAAAAAAAAUAAAAAAAAAAAAAAACAAAABQAAAAAAAAABAAAAAAAAAAUAAAAAAAAAAQAAAAAA
    AAAdAAAAAAAAAAEAAABhAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAHAAAAGEgc3QAAAAAAAAAAAUAAABzaG9ydAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAYSBzdHJpbmcgb2YgbW9yZSB0aGFuIHR3ZWx2ZQAAAAAbAAAAAAAAAAEAAAB4AAAA
    AAAAAAAAAAAUAAAAeXl5eQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAMAAAAMTExMTExMTEx
    MTExeXl5eXl5eXl5eXl5eXl5eXl5eXkAAAAA/////wAAAAA=
    """
  let bytes = try #require(Data(base64Encoded: text, options: .ignoreUnknownCharacters))
  return bytes.withUnsafeBytes { Buffer(copying: $0) }
}

@Suite struct ArrowViewTests {
  @Test func viewsBecomeLargeTextAndBinary() throws {
    let reader = try ArrowStreamReader(try viewStream())
    #expect(reader.schema.fields == [Field("s", .largeUtf8), Field("b", .largeBinary)])
    let batch = try #require(try reader.next())
    #expect(
      rows(batch.columns[0]) == [
        .string("a"), .null, .string("a string of more than twelve"), .string("short"), .string(""),
      ])
    #expect(
      rows(batch.columns[1]) == [
        .binary(Array("x".utf8)), .binary([UInt8](repeating: 0x79, count: 20)), .null, .binary([]),
        .binary([UInt8](repeating: 0x31, count: 12)),
      ])
    #expect(try reader.next() == nil)
  }

  @Test func viewColumnsCanBePassedOver() throws {
    let reader = try ArrowStreamReader(
      try viewStream(), options: ArrowReadOptions(columns: ["b"]))
    #expect(try reader.next()?.columns[0].length == 5)
  }
}
