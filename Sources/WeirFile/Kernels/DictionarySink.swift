// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Values that become a dictionary array.
final class DictionarySink: ColumnSink {
  private let values: ColumnSink

  override init(_ type: DataType, _ limit: SinkLimit) {
    guard case .dictionary(_, let value, _) = type else {
      preconditionFailure("\(type) is no dictionary")
    }
    values = ColumnSink.make(value, limit)
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    try values.append(node, start, count, decoder)
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) { try values.appendNulls(count) }

  override func finish() throws(WeirFileError) -> ArrayData {
    let plain = try values.finish()
    let builder = DictionaryBuilder(type)
    for row in 0..<plain.length {
      if finishedNulls(row) {
        builder.appendNull()
        continue
      }
      do throws(ColumnarError) {
        try builder.append(plain.scalar(at: row))
      } catch {
        throw WeirFileError(.limitExceeded, error.description)
      }
    }
    return builder.finish()
  }
}
