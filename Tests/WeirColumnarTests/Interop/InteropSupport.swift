// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import _WeirTestSupport

extension SeededRandom {
  /// A schema with metadata on itself and on fields of all levels, and ids on some.
  mutating func annotatedSchema(_ options: RandomOptions = RandomOptions()) -> Schema {
    var schema = schema(options)
    for index in schema.fields.indices { schema.fields[index] = annotated(schema.fields[index]) }
    if chance(0.5) { schema.metadata = metadata() }
    return schema
  }

  private mutating func annotated(_ field: Field) -> Field {
    var field = field
    if chance(0.3) { field.id = Int32(int(0...5_000)) }
    if chance(0.3) { field.metadata = metadata() }
    switch field.type {
    case .list(let item): field.type = .list(annotated(item))
    case .largeList(let item): field.type = .largeList(annotated(item))
    case .fixedSizeList(let item, let size):
      field.type = .fixedSizeList(annotated(item), size: size)
    case .struct(let fields): field.type = .struct(fields.map { annotated($0) })
    case .map(let entries, _): field.type = .map(entries: entries, keysSorted: chance(0.3))
    case .dictionary(let index, let value, _):
      field.type = .dictionary(index: index, value: value, ordered: chance(0.5))
    default: break
    }
    return field
  }

  private mutating func metadata() -> Metadata {
    Metadata(
      (0..<int(1...3)).map { Metadata.Entry(key: "key \($0)", value: unicodeString(int(0...9))) })
  }
}
