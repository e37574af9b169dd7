// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// One node of a page: an array by its encoding, checked as far as its own numbers go; what the
/// values of children must fulfil (codes within their dictionary, say) is checked where they are
/// decoded.
final class PageNode: Sendable {
  let encoding: PageEncoding
  let kind: PageKind
  let parameter: UInt8
  /// Number of values.
  let count: Int
  let a: UInt64
  let b: UInt64
  let buffers: [Buffer]
  let children: [PageNode]
  /// Of a zstd node: the block that a part was read of last, for those who read the next part.
  let lastBlock = Mutex<PlainBlock?>(nil)
  private let knownSymbols = Mutex<SymbolTable?>(nil)
  let cost: NodeCost

  init(
    _ encoding: PageEncoding, _ kind: PageKind, parameter: UInt8, count: Int, a: UInt64, b: UInt64,
    buffers: [Buffer], children: [PageNode]
  ) {
    self.encoding = encoding
    self.kind = kind
    self.parameter = parameter
    self.count = count
    self.a = a
    self.b = b
    self.buffers = buffers
    self.children = children
    cost = NodeCost(
      encoding, count: count, parameter: parameter, a: a, b: b,
      hasStarts: (buffers.first?.count ?? 0) > 0, children)
  }

  /// Bytes of a value of a kind of fixed width; for kind `fixed` the node says it.
  var valueWidth: Int { kind == .fixed ? Int(a) : kind.width ?? 0 }

  /// The auxiliary array that a dictionary or window refers to.
  var auxiliaryNumber: UInt64 { kind == .fixed ? b : a }

  /// Of an FSST node: what its codes stand for.
  var symbols: SymbolTable {
    knownSymbols.withLock { known in
      if let known { return known }
      let table = SymbolTable(buffers[0])
      known = table
      return table
    }
  }

  /// Bytes of the buffers of the node and those below it.
  var byteCount: Int {
    children.reduce(buffers.reduce(0) { $0 + $1.count }) { $0 + $1.byteCount }
  }

  /// Of a sparse node: the values that are at no position, as a node.
  var constantOfDefault: PageNode {
    PageNode(
      .constant, kind, parameter: 0, count: count, a: a, b: 0, buffers: [], children: [])
  }
}

/// A block of a zstd node, decompressed.
struct PlainBlock: Sendable {
  let number: Int
  let bytes: Buffer
  /// Larger ones are not kept.
  static let keptByteCountMax = 256 << 10
}

/// Makes nodes of a page's bytes; no page can make it read outside its bytes, recurse deeply or
/// allocate more than a small multiple of them.
struct PageParser {
  /// Deepest nesting of nodes: that of types (64, as in Arrow) and of encodings within them.
  static let depthMax = 96
  /// Values of one node, and bytes of one: more can only come from damage.
  static let countMax: UInt64 = 1 << 28
  static let byteCountMax: UInt64 = 1 << 31
  private static let headerByteCount = 8
  private static let nodeByteCount = 32

  private let bytes: Buffer
  private let nodeCount: Int
  private let bufferCount: Int
  private var nextNode = 0

  static func parse(_ bytes: Buffer) throws(WeirFileError) -> PageNode {
    var parser = try PageParser(bytes)
    let root = try parser.node(depth: 0)
    guard parser.nextNode == parser.nodeCount else {
      throw .damaged("the page has \(parser.nodeCount) nodes, its tree \(parser.nextNode)")
    }
    return root
  }

  private init(_ bytes: Buffer) throws(WeirFileError) {
    guard bytes.count >= Self.headerByteCount else {
      throw .damaged("a page of \(bytes.count) bytes has no header")
    }
    self.bytes = bytes
    nodeCount = Int(bytes.number(UInt16.self, at: 0))
    bufferCount = Int(bytes.number(UInt16.self, at: 2))
    let size = Int(bytes.number(UInt32.self, at: 4))
    let head = Self.headerByteCount + nodeCount * Self.nodeByteCount + bufferCount * 8
    guard nodeCount > 0, size == bytes.count, head <= size else {
      throw .damaged(
        "the page says \(size) bytes, \(nodeCount) nodes and \(bufferCount) buffers; it has "
          + "\(bytes.count) bytes")
    }
  }

  private mutating func node(depth: Int) throws(WeirFileError) -> PageNode {
    guard nextNode < nodeCount else { throw .damaged("a node has more children than there are") }
    guard depth <= Self.depthMax else { throw .damaged("nodes are nested too deeply") }
    let at = Self.headerByteCount + nextNode * Self.nodeByteCount
    nextNode += 1
    guard let encoding = PageEncoding(rawValue: bytes.number(UInt8.self, at: at)) else {
      throw WeirFileError(
        .unsupported,
        "encoding \(bytes.number(UInt8.self, at: at)) is not known; a newer version reads it"
      )
    }
    guard let kind = PageKind(rawValue: bytes.number(UInt8.self, at: at + 1)) else {
      throw .damaged("there is no kind \(bytes.number(UInt8.self, at: at + 1)) of values")
    }
    let count = bytes.number(UInt64.self, at: at + 8)
    guard count <= (kind == .one ? Self.byteCountMax : Self.countMax) else {
      throw .damaged("a node says it has \(count) values")
    }
    var children: [PageNode] = []
    for _ in 0..<bytes.number(UInt8.self, at: at + 2) {
      children.append(try node(depth: depth + 1))
    }
    let node = PageNode(
      encoding, kind, parameter: bytes.number(UInt8.self, at: at + 3), count: Int(count),
      a: bytes.number(UInt64.self, at: at + 16), b: bytes.number(UInt64.self, at: at + 24),
      buffers: try buffers(
        first: Int(bytes.number(UInt16.self, at: at + 4)),
        count: Int(bytes.number(UInt16.self, at: at + 6))), children: children)
    try node.check()
    guard node.cost.isAcceptable(count: node.count) else {
      throw .damaged("encoding \(encoding.name) of nodes that would take too long to decode")
    }
    return node
  }

  private func buffers(first: Int, count: Int) throws(WeirFileError) -> [Buffer] {
    if count == 0 { return [] }
    guard count <= 4, first + count <= bufferCount else {
      throw .damaged("a node names buffers that the page does not have")
    }
    var result: [Buffer] = []
    let table = Self.headerByteCount + nodeCount * Self.nodeByteCount
    for index in first..<first + count {
      let offset = Int(bytes.number(UInt32.self, at: table + index * 8))
      let size = Int(bytes.number(UInt32.self, at: table + index * 8 + 4))
      guard offset & 7 == 0, offset <= bytes.count, size <= bytes.count - offset else {
        throw .damaged("a buffer at \(offset) of \(size) bytes does not lie within its page")
      }
      result.append(bytes.slice(offset: offset, count: size))
    }
    return result
  }
}

extension Buffer {
  /// The little-endian number at byte `offset`, which must lie within the buffer.
  func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
    precondition(
      offset >= 0 && offset <= count - MemoryLayout<T>.size, "a number outside its bytes")
    // Safe: the bytes were checked to be there.
    return withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
  }
}
