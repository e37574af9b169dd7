// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What the values of a page's node are (docs/specs/weir-file.md, section 3).
enum PageKind: UInt8, Sendable {
  case bits = 0
  case one = 1
  case two = 2
  case four = 3
  case eight = 4
  case sixteen = 5
  /// `a` bytes each.
  case fixed = 6
  case bytes = 7
  case lists = 8
  /// `a` items each.
  case fixedLists = 9
  case structs = 10
  case nulls = 11

  /// Bytes of a value of the kinds of fixed width but `fixed`.
  var width: Int? {
    switch self {
    case .one: 1
    case .two: 2
    case .four: 4
    case .eight: 8
    case .sixteen: 16
    default: nil
    }
  }

  var isNumber: Bool {
    switch self {
    case .one, .two, .four, .eight: true
    default: false
    }
  }

  /// The kind of a type's pages; of a dictionary type, that of its values.
  init(_ type: DataType) {
    switch type.layout {
    case .null: self = .nulls
    case .bits: self = .bits
    case .fixedWidth(let width):
      if case .fixedSizeBinary = type { self = .fixed } else { self = Self.number(width) }
    case .variableBinary: self = .bytes
    case .list: self = .lists
    case .fixedSizeList: self = .fixedLists
    case .struct: self = .structs
    case .dictionary:
      guard case .dictionary(_, let value, _) = type else { preconditionFailure("not reached") }
      self = PageKind(value)
    }
  }

  private static func number(_ width: Int) -> PageKind {
    switch width {
    case 1: .one
    case 2: .two
    case 4: .four
    case 8: .eight
    default: .sixteen
    }
  }
}

/// How the values of a node are written (section 4 of the specification).
enum PageEncoding: UInt8, Sendable, CaseIterable {
  case plain = 0
  case constant = 1
  case packed = 2
  case patched = 3
  case delta = 4
  case runs = 5
  case dictionary = 6
  case tiered = 7
  case sparse = 8
  case nullable = 9
  case decimal = 10
  case split = 11
  case strings = 12
  case fsst = 13
  case list = 14
  case window = 15
  case fixedList = 16
  case structure = 17
  case zstd = 18
  case byteStreams = 19
  case float16 = 20
  case bfloat16 = 21
  case scaled = 22
  case halves = 23
  case nulls = 24
  case part = 25

  /// As the specification calls it.
  var name: String {
    switch self {
    case .fixedList: "fixed list"
    case .structure: "struct"
    case .byteStreams: "byte streams"
    default: "\(self)"
    }
  }
}
