// SPDX-License-Identifier: Apache-2.0
// Safe: gathers read a dictionary at codes that were checked to be below its count.

internal import CWeirKernels
internal import Synchronization
internal import WeirColumnar

enum AuxiliaryRole: UInt8, Sendable {
  /// One of a later version, which no page that this one reads refers to.
  case unknown = 0
  case dictionary = 1
  case pool = 2
  /// Rows by the hash of their value.
  case keys = 3
  /// Fields of structs, a page each.
  case parts = 4
}

/// Values that data pages of one or more columns refer to by number, in pages of 2^shift values,
/// which are read when first needed and kept within a bound.
final class AuxiliaryArray: Sendable {
  let role: AuxiliaryRole
  let shift: Int
  let count: Int
  let pageCount: Int
  /// Decodes its pages, which may refer to the column's arrays of smaller numbers only: no cycles.
  let decoder: PageDecoder
  /// Bytes of pages that are kept; beyond it they are given up together.
  private let keptByteCountMax: Int
  private let load: @Sendable (Int) throws(WeirFileError) -> PageNode
  private let state: Mutex<State>

  private struct State {
    var pages: [Int: PageNode] = [:]
    var keptByteCount = 0
    /// All values one after the other, once so many were asked for that it pays.
    var decoded: DecodedValues?
    var strings: StringValues?
    var asked = 0
  }

  /// Bytes of parts that are kept: those of a page or two, for the next rows of it.
  static let keptPartByteCountMax = 16 << 20

  /// A dictionary is decoded as a whole only up to this size.
  static let decodedByteCountMax = 256 << 20

  init(
    role: AuxiliaryRole, shift: Int, count: Int, pageCount: Int, earlier: [AuxiliaryArray],
    keptByteCountMax: Int,
    load: @escaping @Sendable (Int) throws(WeirFileError) -> PageNode
  ) {
    self.role = role
    self.shift = shift
    self.count = count
    self.pageCount = pageCount
    self.keptByteCountMax = keptByteCountMax
    decoder = PageDecoder(auxiliary: earlier)
    self.load = load
    state = Mutex(State())
  }

  /// Page `index`, with as many values as it must have.
  func page(_ index: Int) throws(WeirFileError) -> PageNode {
    guard index >= 0 && index < pageCount else {
      throw .damaged("auxiliary page \(index) of \(pageCount)")
    }
    if let known = state.withLock({ $0.pages[index] }) { return known }
    return try keep(index, try load(index))
  }

  func isKept(_ index: Int) -> Bool { state.withLock { $0.pages[index] != nil } }

  /// Checks a page that was read, and keeps it.
  func keep(_ index: Int, _ page: PageNode) throws(WeirFileError) -> PageNode {
    guard role == .parts || page.count == min(1 << shift, count - index << shift) else {
      throw .damaged("auxiliary page \(index) has \(page.count) values")
    }
    return state.withLock { state in
      if let known = state.pages[index] { return known }
      let size = page.byteCount
      if state.keptByteCount + size > keptByteCountMax {
        state.pages.removeAll()
        state.keptByteCount = 0
      }
      state.pages[index] = page
      state.keptByteCount += size
      return page
    }
  }

  /// Whether the whole array is decoded, or should be now that `number` more values are wanted.
  private func isWorthDecoding(_ number: Int) -> Bool {
    state.withLock { state in
      state.asked += number
      return state.decoded != nil || state.strings != nil || state.asked >= count / 8
    }
  }

  /// All values, when that pays for `number` more of them; `width` bytes each.
  func decoded(
    width: Int, expecting number: Int
  ) throws(WeirFileError) -> DecodedValues? {
    guard count * width <= Self.decodedByteCountMax, isWorthDecoding(number) else { return nil }
    if let known = state.withLock({ $0.decoded }) { return known }
    var pages: [PageNode] = []
    for index in 0..<pageCount {
      let page = try page(index)
      guard page.valueWidth == width else { throw .damaged("pages of different widths") }
      pages.append(page)
    }
    let isNarrow = width == 8 && pages.allSatisfy(\.isPackedBelow32Bits)
    let width = isNarrow ? 4 : width
    let values = MutableBuffer(capacity: count * width)
    for page in pages {
      let room = values.reserveTail(page.count * width)
      if isNarrow {
        let bits = page.buffers[0]
        weir_unpack_add_32(
          bits.bytes, bits.count, CInt(page.parameter), page.a, 0,
          room.assumingMemoryBound(to: UInt32.self), page.count)
      } else {
        try decoder.values(page, 0, page.count, room)
      }
      values.advance(by: page.count * width)
    }
    let decoded = DecodedValues(values: values.finish(), isNarrow: isNarrow)
    state.withLock { if $0.decoded == nil { $0.decoded = decoded } }
    return decoded
  }
}

/// The values of a dictionary one after the other.
struct DecodedValues: Sendable {
  let values: Buffer
  /// Whether they take 4 bytes each instead of 8: twice as many then lie in the cache.
  let isNarrow: Bool
}

extension PageNode {
  /// Whether the page's values are packed numbers of 8 bytes that would fit 4.
  fileprivate var isPackedBelow32Bits: Bool {
    encoding == .packed && kind == .eight && parameter <= 32
      && a <= UInt64(UInt32.max) - (1 << UInt64(parameter) - 1)
  }
}

extension AuxiliaryArray {
  /// All values of a dictionary of byte strings, when that pays for `number` more of them.
  func decodedStrings(expecting number: Int) throws(WeirFileError) -> StringValues? {
    guard isWorthDecoding(number) else { return nil }
    if let known = state.withLock({ $0.strings }) { return known }
    let sink = StringsSink(.binary, SinkLimit(Self.decodedByteCountMax), offsetWidth: 4)
    for index in 0..<pageCount {
      let page = try page(index)
      try sink.append(page, 0, page.count, decoder)
    }
    let values = sink.values()
    state.withLock { if $0.strings == nil { $0.strings = values } }
    return values
  }
}

/// Decoded byte strings, for codes that were checked.
struct StringValues: Sendable {
  private let offsetBytes: Buffer
  private let bytes: Buffer

  /// - Parameters:
  ///   - offsets: of 4 bytes, one more than there are strings.
  ///   - bytes: theirs, and `SymbolTable.slack` more.
  init(offsets: Buffer, bytes: Buffer) {
    offsetBytes = offsets
    self.bytes = bytes
  }

  private var offsets: UnsafePointer<UInt32> {
    UnsafePointer(offsetBytes.base.assumingMemoryBound(to: UInt32.self))
  }

  func length(_ index: Int) -> UInt32 { offsets[index + 1] - offsets[index] }

  func start(_ index: Int) -> UnsafePointer<UInt8> { bytes.bytes + Int(offsets[index]) }

  /// Writes the lengths of the strings of codes and returns their sum.
  func lengths(
    _ codes: UnsafePointer<UInt32>, _ count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) -> Int { Int(weir_string_lengths(offsets, codes, out, count)) }

  /// Writes the strings of codes one behind the other to `out`, which has slack.
  func gather(_ codes: UnsafePointer<UInt32>, _ count: Int, _ out: UnsafeMutableRawPointer) {
    weir_gather_strings(
      offsets, bytes.bytes, codes, count, out.assumingMemoryBound(to: UInt8.self))
  }
}

/// The values behind the codes of a dictionary node.
struct DictionarySource {
  let decoder: PageDecoder
  private let array: AuxiliaryArray?
  private let expecting: Int
  private let page: PageNode?
  private let decoded: DecodedValues?
  /// Of strings within the page.
  private let values: StringValues?
  let count: Int

  /// A dictionary within the page.
  init(
    _ page: PageNode, _ decoder: PageDecoder, expecting number: Int
  ) throws(WeirFileError) {
    self.decoder = decoder
    self.page = page
    array = nil
    let width = page.valueWidth
    if width > 0, page.count <= number * 8, number > 1,
      page.count * width <= AuxiliaryArray.decodedByteCountMax
    {
      let values = MutableBuffer(capacity: page.count * width)
      try decoder.values(page, 0, page.count, values.reserveTail(page.count * width))
      values.advance(by: page.count * width)
      decoded = DecodedValues(values: values.finish(), isNarrow: false)
    } else {
      decoded = nil
    }
    expecting = 0
    count = page.count
    if page.kind == .bytes, page.count <= number * 8, number > 1 {
      let limit = SinkLimit(AuxiliaryArray.decodedByteCountMax)
      let sink = StringsSink(.binary, limit, offsetWidth: 4)
      try sink.append(page, 0, page.count, decoder)
      values = sink.values()
    } else {
      values = nil
    }
  }

  /// An auxiliary array, decoded when `number` values make that worth while.
  init(_ array: AuxiliaryArray, expecting number: Int) throws(WeirFileError) {
    decoder = array.decoder
    self.array = array
    page = nil
    values = nil
    expecting = number
    count = array.count
    let width = array.count > 0 ? try array.page(0).valueWidth : 0
    decoded = width > 0 ? try array.decoded(width: width, expecting: number) : nil
  }

  func checkCode(_ code: Int) throws(WeirFileError) {
    guard code < count else {
      throw .damaged("code \(code) of a dictionary of \(count) values")
    }
  }

  /// The page of value `code` and its place in it.
  func place(_ code: Int) throws(WeirFileError) -> (PageNode, Int) {
    if let page { return (page, code) }
    return (try array!.page(code >> array!.shift), code & (1 << array!.shift - 1))
  }

  /// The values of a dictionary of byte strings, when it is worth decoding.
  func strings() throws(WeirFileError) -> StringValues? {
    if let array { return try array.decodedStrings(expecting: expecting) }
    return values
  }

  func gather(
    _ codes: UnsafeBufferPointer<UInt32>, _ width: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    guard let decoded else {
      for (index, code) in codes.enumerated() { try one(code, out + index * width, width) }
      return
    }
    let base = decoded.values.base
    if decoded.isNarrow {
      weir_gather_widen(
        base.assumingMemoryBound(to: UInt32.self), codes.baseAddress!,
        out.assumingMemoryBound(to: UInt64.self), codes.count)
      return
    }
    switch width {
    case 1:
      weir_gather_8(
        base.assumingMemoryBound(to: UInt8.self), codes.baseAddress!,
        out.assumingMemoryBound(to: UInt8.self), codes.count)
    case 2:
      weir_gather_16(
        base.assumingMemoryBound(to: UInt16.self), decoded.values.count / 2, codes.baseAddress!,
        out.assumingMemoryBound(to: UInt16.self), codes.count)
    case 4:
      weir_gather_32(
        base.assumingMemoryBound(to: UInt32.self), codes.baseAddress!,
        out.assumingMemoryBound(to: UInt32.self), codes.count)
    case 8:
      weir_gather_64(
        base.assumingMemoryBound(to: UInt64.self), codes.baseAddress!,
        out.assumingMemoryBound(to: UInt64.self), codes.count)
    default:
      for (index, code) in codes.enumerated() {
        (out + index * width).copyMemory(from: base + Int(code) * width, byteCount: width)
      }
    }
  }

  /// The value of one code, of `width` bytes.
  func one(
    _ code: UInt32, _ out: UnsafeMutableRawPointer, _ width: Int
  ) throws(WeirFileError) {
    if let decoded {
      let base = decoded.values.base
      if decoded.isNarrow {
        let value = base.load(fromByteOffset: Int(code) * 4, as: UInt32.self)
        out.storeBytes(of: UInt64(value), as: UInt64.self)
      } else {
        out.copyMemory(from: base + Int(code) * width, byteCount: width)
      }
      return
    }
    let (page, place) = try place(Int(code))
    guard page.valueWidth == width else { throw .damaged("dictionary pages of different widths") }
    try decoder.values(page, place, 1, out)
  }
}
