// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A leaf of the schema: one column chunk in every row group.
struct LeafColumn: Sendable {
  /// Position among all leaves of the file.
  let index: Int
  /// The path from the root, with dots.
  let path: String
  let physicalType: PhysicalType
  /// Bytes of a fixed-length byte array.
  let typeLength: Int
  let logicalType: LogicalType?
  let convertedType: ConvertedType?
  /// Level of a value that is there.
  let definitionMax: Int
  let repetitionMax: Int
  /// An entry with a smaller definition level is no slot of this column (an empty list above it).
  let slotLevel: Int
}

/// One node of the tree that a file's columns make, with its Arrow field.
indirect enum SchemaNode: Sendable {
  case leaf(Field, LeafColumn)
  /// `level`: the definition level of a struct that is not null; nil when it cannot be null.
  case structure(Field, children: [SchemaNode], LevelInfo)
  /// Lists, large lists, maps and fixed-size lists. `item` is a map's entries.
  case list(Field, item: SchemaNode, LevelInfo)

  var field: Field {
    switch self {
    case .leaf(let field, _), .structure(let field, _, _), .list(let field, _, _): field
    }
  }

  /// All leaves below, in file order.
  var leaves: [LeafColumn] {
    switch self {
    case .leaf(_, let leaf): [leaf]
    case .structure(_, let children, _): children.flatMap(\.leaves)
    case .list(_, let item, _): item.leaves
    }
  }

  /// The leaf whose levels the nodes above it are built from.
  var firstLeaf: LeafColumn {
    switch self {
    case .leaf(_, let leaf): leaf
    case .structure(_, let children, _): children[0].firstLeaf
    case .list(_, let item, _): item.firstLeaf
    }
  }

  func with(_ field: Field) -> SchemaNode {
    switch self {
    case .leaf(_, let leaf): .leaf(field, leaf)
    case .structure(_, let children, let level): .structure(field, children: children, level)
    case .list(_, let item, let level): .list(field, item: item, level)
    }
  }
}

/// What a nested node's slots look like in the levels of any leaf below it.
struct LevelInfo: Hashable, Sendable {
  /// An entry with a smaller definition level is no slot of this node.
  var slotLevel: Int
  /// Repetition levels of the lists around this node: an entry with a larger one belongs to a slot
  /// that has begun.
  var repetition: Int
  /// A slot with at least this definition level is not null.
  var definedLevel: Int
  /// Lists: an entry with at least this definition level is an item.
  var itemLevel: Int
}
