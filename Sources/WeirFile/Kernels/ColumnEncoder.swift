// SPDX-License-Identifier: Apache-2.0
// Safe: reads rows of arrays within their lengths; scratch memory is as large as what is written.

internal import WeirColumnar

/// What the encoders of a column share: options, and the auxiliary arrays of the column.
final class ColumnContext {
  let options: WeirFileWriteOptions
  let numbers: NumberEncoder
  private(set) var auxiliary: [AuxiliaryWriter] = []
  private let auxiliaryCountMax: Int
  /// Dictionaries of the other columns of the file; `nil` when there are none to share.
  let shared: SharedDictionaries?
  /// Numbers of arrays that another column made.
  private(set) var joined: Set<Int> = []
  /// Floats that share a scale, once they are rounded to such.
  var scaledGroup: Int?

  init(
    _ options: WeirFileWriteOptions, hasAuxiliary: Bool = true, shared: SharedDictionaries? = nil
  ) {
    self.options = options
    self.shared = shared
    auxiliaryCountMax = hasAuxiliary ? ColumnDescriptor.auxiliaryCountMax / 4 : 0
    numbers = NumberEncoder(profile: options.profile)
  }

  /// Whether the column may have another dictionary; one pool and the key index come behind it.
  var hasRoom: Bool { auxiliary.count < auxiliaryCountMax }

  /// A new auxiliary array and its number.
  func add(_ role: AuxiliaryRole, shift: Int) -> (Int, AuxiliaryWriter) {
    let writer = AuxiliaryWriter(role, shift: shift)
    auxiliary.append(writer)
    return (auxiliary.count - 1, writer)
  }

  /// Takes arrays that are there already, with their numbers; there will be no other dictionaries.
  convenience init(_ options: WeirFileWriteOptions, arrays: [AuxiliaryWriter]) {
    self.init(options, hasAuxiliary: false)
    auxiliary = arrays
  }

  /// The number of an array that another column, or another part of this one, made.
  func join(_ writer: AuxiliaryWriter) -> Int {
    writer.isShared = true
    if let known = auxiliary.firstIndex(where: { $0 === writer }) { return known }
    auxiliary.append(writer)
    joined.insert(auxiliary.count - 1)
    return auxiliary.count - 1
  }
}

/// Makes pages of the arrays of one type, and remembers from page to page what paid.
class ColumnEncoder {
  let context: ColumnContext

  init(_ context: ColumnContext) { self.context = context }

  static func make(_ type: DataType, _ context: ColumnContext) -> ColumnEncoder {
    switch PageKind(type) {
    case .nulls: NullsEncoder(context)
    case .bits: BitsEncoder(context)
    case .one: NumbersEncoder<UInt8>(context)
    case .two: NumbersEncoder<UInt16>(context)
    case .four: type == .float32 ? FloatsEncoder<UInt32>(context) : NumbersEncoder<UInt32>(context)
    case .eight: type == .float64 ? FloatsEncoder<UInt64>(context) : NumbersEncoder<UInt64>(context)
    case .sixteen, .fixed: FixedEncoder(context)
    case .bytes: StringsEncoder(context)
    case .lists: ListsEncoder(context, type.children[0].type)
    case .fixedLists: FixedListsEncoder(context, type)
    case .structs: StructsEncoder(context, type)
    }
  }

  /// The page's tree for all rows of the array; nulls are taken out here.
  final func encode(_ given: ArrayData) -> EncodedNode {
    let array = Self.plain(given)
    guard array.nullCount > 0, array.type != .null, let validity = array.validity else {
      return encodeValues(array, isValid: nil)
    }
    let bits = BitsEncoder.encode(validity.base, offset: array.offset, count: array.length)
    let rows = ValidRows(validity: validity, offset: array.offset, count: array.length)
    if array.nullCount * 4 > array.length * 3, let present = presentRows(array, rows) {
      let values = encodeValues(present, isValid: nil)
      return EncodedNode(
        encoding: .nullable, kind: values.kind, parameter: 1, count: array.length, a: values.a,
        children: [bits, values])
    }
    let values = encodeValues(array, isValid: rows)
    return EncodedNode(
      encoding: .nullable, kind: values.kind, count: array.length, a: values.a,
      children: [bits, values])
  }

  /// Has the next rows written with the dictionaries that a page of the same type refers to, by their
  /// numbers: values that they hold already have the codes that they had.
  final func adopt(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    adoptValues(page.encoding == .nullable ? page.children[1] : page, dictionaries)
  }

  func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {}

  /// Pages that are ready once these rows are added; a page of them may wait for later rows.
  func encodePages(_ array: ArrayData) -> [EncodedNode] { [encode(array)] }

  /// Bytes of values that later rows may refer to, or that wait with them.
  var heldByteCount: Int { 0 }

  /// The pages that waited.
  func remainingPages() -> [EncodedNode] { [] }

  /// A dictionary array as its values; others as they are.
  static func plain(_ array: ArrayData) -> ArrayData {
    guard case .dictionary(let index, _, _) = array.type, let values = array.dictionary else {
      return array
    }
    let indices = ArrayData(
      type: index, length: array.length, offset: array.offset, validity: array.validity,
      buffers: array.buffers)
    do {
      return try values.take(indices)
    } catch {
      preconditionFailure("the indices of a dictionary array lead into its values: \(error)")
    }
  }

  private func presentRows(_ array: ArrayData, _ rows: ValidRows) -> ArrayData? {
    guard let present = try? array.take((0..<array.length).filter(rows.contains)) else {
      return nil
    }
    return present
  }

  /// The values of all rows; those of null rows may become whatever is cheap.
  func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    preconditionFailure("an encoder encodes its own kind")
  }
}

/// Which rows of an array are not null.
struct ValidRows {
  let validity: Buffer
  let offset: Int
  let count: Int

  func contains(_ row: Int) -> Bool { Bitmap.get(validity.base, offset + row) }
}

final class NullsEncoder: ColumnEncoder {
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    EncodedNode(encoding: .nulls, kind: .nulls, count: array.length)
  }
}

final class BitsEncoder: ColumnEncoder {
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    guard let values = array.buffers.first else {
      return EncodedNode(encoding: .constant, kind: .bits, count: 0)
    }
    return Self.encode(values.base, offset: array.offset, count: array.length)
  }

  /// Bits: constant, the places of the rarer value, or plain.
  static func encode(_ base: UnsafeRawPointer, offset: Int, count: Int) -> EncodedNode {
    let ones = count == 0 ? 0 : Bitmap.countOnes(base, offset: offset, count: count)
    if ones == 0 || ones == count {
      return EncodedNode(encoding: .constant, kind: .bits, count: count, a: ones == 0 ? 0 : 1)
    }
    let rarer = min(ones, count - ones)
    if rarer * 40 < count {
      let common: Bool = ones > count - ones
      var positions: [UInt32] = []
      var row = 0
      while row < count {
        row = Bitmap.endOfRun(base, offset: offset, from: row, count: count, common)
        if row < count { positions.append(UInt32(row)) }
        row += 1
      }
      return EncodedNode(
        encoding: .sparse, kind: .bits, count: count, a: common ? 1 : 0,
        children: [
          NumberEncoder(profile: .fast).encode(positions, positions.count),
          EncodedNode(
            encoding: .constant, kind: .bits, count: positions.count, a: common ? 0 : 1),
        ])
    }
    let out = MutableBuffer()
    out.appendZeros(Bitmap.byteCount(count))
    Bitmap.copy(from: base, offset: offset, to: out.base, offset: 0, count: count)
    return EncodedNode(encoding: .plain, kind: .bits, count: count, buffers: [out.finish()])
  }
}

/// Values of 16 bytes, or of any fixed number.
final class FixedEncoder: ColumnEncoder {
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    let width = array.type.byteWidth ?? 0
    let kind = PageKind(array.type)
    let size = array.length * width
    let bytes =
      size == 0 ? Buffer() : array.buffers[0].slice(offset: array.offset * width, count: size)
    let a = kind == .fixed ? UInt64(width) : 0
    if kind == .sixteen, let node = halves(bytes) { return node }
    if size > 0, let frames = ZstdBlocks.encode(bytes, width: width, context.options.profile) {
      return EncodedNode(
        encoding: .zstd, kind: kind, count: array.length, a: a, b: UInt64(frames.blockByteCount),
        buffers: [frames.ends, frames.frames])
    }
    return EncodedNode(
      encoding: .plain, kind: kind, count: array.length, a: a, buffers: [bytes])
  }
}

extension FixedEncoder {
  /// Decimals as their lower and upper halves, where these are no noise.
  private func halves(_ bytes: Buffer) -> EncodedNode? {
    let count = bytes.count / 16
    if count == 0 { return nil }
    let scratch = Scratch(count * 16)
    let low = scratch.pointer(UInt64.self)
    let high = low + count
    for index in 0..<count {
      low[index] = bytes.base.loadUnaligned(fromByteOffset: index * 16, as: UInt64.self)
      high[index] = bytes.base.loadUnaligned(fromByteOffset: index * 16 + 8, as: UInt64.self)
    }
    let plans = [
      context.numbers.plan(UnsafePointer<UInt64>(low), count),
      context.numbers.plan(UnsafePointer<UInt64>(high), count),
    ]
    defer { withExtendedLifetime(scratch) {} }
    let cost = plans[0].cost + plans[1].cost + context.numbers.cost(bits: 0, nanoseconds: 1)
    guard cost < 112 else { return nil }
    return EncodedNode(
      encoding: .halves, kind: .sixteen, count: count, children: plans.map { $0.node() })
  }
}

final class FixedListsEncoder: ColumnEncoder {
  private let items: ColumnEncoder

  init(_ context: ColumnContext, _ type: DataType) {
    items = ColumnEncoder.make(type.children[0].type, context)
    super.init(context)
  }

  override func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    if page.encoding == .fixedList { items.adopt(page.children[0], dictionaries) }
  }

  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    guard case .fixedSizeList(_, let size) = array.type else { preconditionFailure("not reached") }
    let child = array.children[0].slice(offset: array.offset * size, length: array.length * size)
    return EncodedNode(
      encoding: .fixedList, kind: .fixedLists, count: array.length, a: UInt64(size),
      children: [items.encode(child)])
  }
}

final class StructsEncoder: ColumnEncoder {
  private let fields: [ColumnEncoder]

  init(_ context: ColumnContext, _ type: DataType) {
    fields = type.children.map { ColumnEncoder.make($0.type, context) }
    super.init(context)
  }

  override func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    guard page.encoding == .structure else { return }
    for (field, child) in zip(fields, page.children) { field.adopt(child, dictionaries) }
  }

  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    EncodedNode(
      encoding: .structure, kind: .structs, count: array.length,
      children: zip(fields, array.children).map { encoder, child in
        encoder.encode(child.slice(offset: array.offset, length: array.length))
      })
  }
}
