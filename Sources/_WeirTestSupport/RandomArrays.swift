// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

// Arrays are made from raw buffers, not through builders, so that they show what other Arrow
// implementations may hand over: bits and bytes before the first row and behind the last, offsets
// that do not start at 0, null rows with items and garbage, children longer than their parents.
extension SeededRandom {
  /// An array of `length` random rows of `type`.
  ///
  /// - Parameter nullable: `false` makes no nulls at the top level (nested fields follow their own).
  public mutating func array(
    _ type: DataType, _ length: Int, nullable: Bool = true,
    _ options: RandomOptions = RandomOptions()
  ) -> ArrayData {
    guard options.slices && chance(0.6) else {
      return whole(type, length, nullable: nullable, options)
    }
    let before = int(0...11)
    let after = int(0...5)
    return whole(type, before + length + after, nullable: nullable, options)
      .slice(offset: before, length: length)
  }

  /// An array with offset 0.
  private mutating func whole(
    _ type: DataType, _ length: Int, nullable: Bool, _ options: RandomOptions
  ) -> ArrayData {
    if type == .null { return ArrayData(type: .null, length: length) }
    let validity = nullable && chance(0.7) ? validityBits(length, options) : nil
    func made(_ buffers: [Buffer], _ children: [ArrayData] = [], _ dictionary: ArrayData? = nil)
      -> ArrayData
    {
      ArrayData(
        type: type, length: length, validity: validity, buffers: buffers, children: children,
        dictionary: dictionary)
    }
    switch type.layout {
    case .null, .bits: return made([exactBuffer(bytes((length + 7) / 8))])
    case .fixedWidth(let width): return made([fixedWidthValues(type, width, length, options)])
    case .variableBinary(let width):
      let (offsets, bytes) = stringValues(type, width, length, options)
      return made([offsets, bytes])
    case .list(let width):
      let (offsets, itemCount) = listOffsets(width, length, options)
      let item = type.children[0]
      return made(
        [offsets], [array(item.type, itemCount, nullable: item.nullable, options)])
    case .fixedSizeList(let size):
      let item = type.children[0]
      return made([], [array(item.type, length * size, nullable: item.nullable, options)])
    case .struct:
      return made([], type.children.map { array($0.type, length, nullable: $0.nullable, options) })
    case .dictionary(let width):
      guard case .dictionary(_, let valueType, _) = type else { preconditionFailure("\(type)") }
      let count = int(1...20)
      let dictionary = array(valueType, count, nullable: false, options)
      var indices: [UInt8] = []
      for _ in 0..<length {
        let index = Int64(int(0..<count))
        withUnsafeBytes(of: index.littleEndian) { indices += $0.prefix(width) }
      }
      return made([exactBuffer(indices)], [], dictionary)
    }
  }

  private mutating func validityBits(_ length: Int, _ options: RandomOptions) -> Buffer {
    var bits = [UInt8](repeating: 0, count: (length + 7) / 8)
    let nullRate = chance(0.1) ? 1 : options.nullRate
    // Long runs now and then: run-length encoded levels take other paths then.
    let runs = chance(0.3)
    var index = 0
    while index < length {
      let valid = !chance(nullRate)
      let run = runs ? int(1...40) : 1
      for position in index..<min(length, index + run) where valid {
        bits[position >> 3] |= 1 << UInt8(position & 7)
      }
      index += run
    }
    return exactBuffer(bits)
  }

  private mutating func listOffsets(_ width: Int, _ length: Int, _ options: RandomOptions) -> (
    Buffer, Int
  ) {
    var end = options.slices && chance(0.3) ? int(0...5) : 0
    var offsets = [Int64(end)]
    let emptyRate = chance(0.1) ? 1 : 0.2
    for _ in 0..<length {
      if !chance(emptyRate) { end += int(0...options.itemsMax) }
      offsets.append(Int64(end))
    }
    let spare = options.slices && chance(0.3) ? int(0...5) : 0
    return (Self.offsetsBuffer(offsets, width), end + spare)
  }

  private static func offsetsBuffer(_ offsets: [Int64], _ width: Int) -> Buffer {
    width == 4 ? exactBuffer(offsets.map { Int32($0) }) : exactBuffer(offsets)
  }

  private mutating func stringValues(
    _ type: DataType, _ width: Int, _ length: Int, _ options: RandomOptions
  ) -> (Buffer, Buffer) {
    let isText = type == .utf8 || type == .largeUtf8
    var data: [UInt8] = options.slices && chance(0.3) ? [0x61, 0x62] : []
    var offsets = [Int64(data.count)]
    // Few distinct values now and then: dictionaries take other paths then.
    let few = chance(0.3) ? (0..<int(1...8)).map { _ in randomBytes(isText, options) } : []
    for _ in 0..<length {
      data += few.isEmpty ? randomBytes(isText, options) : pick(few)
      offsets.append(Int64(data.count))
    }
    return (Self.offsetsBuffer(offsets, width), exactBuffer(data))
  }

  private mutating func randomBytes(_ isText: Bool, _ options: RandomOptions) -> [UInt8] {
    let count = chance(0.1) ? 0 : int(0...options.bytesMax)
    if !isText { return bytes(count) }
    if chance(0.6) { return (0..<count).map { _ in UInt8(int(0x61...0x7a)) } }
    return Array(unicodeString(count / 2).utf8)
  }

  /// A string of `count` code points from all over Unicode, with quotes and control characters.
  public mutating func unicodeString(_ count: Int) -> String {
    var result = String.UnicodeScalarView()
    for _ in 0..<count {
      let value: Int =
        switch int(0..<6) {
        case 0: int(0x20...0x7e)
        case 1: int(0...0x1f)
        case 2: int(0xa0...0x24f)
        case 3: int(0x300...0x36f)  // combining marks
        case 4: int(0x4e00...0x9fff)
        default: int(0x1f300...0x1faff)
        }
      result.append(Unicode.Scalar(UInt32(value))!)
    }
    return String(result)
  }

  private mutating func fixedWidthValues(
    _ type: DataType, _ width: Int, _ length: Int, _ options: RandomOptions
  ) -> Buffer {
    if case .fixedSizeBinary = type { return exactBuffer(bytes(width * length)) }
    var result: [UInt8] = []
    result.reserveCapacity(width * length)
    // Small numbers, sorted numbers and few distinct ones are the common cases of real columns.
    let style = int(0..<4)
    var running: Int64 = Int64(int(-1000...1000))
    for _ in 0..<length {
      let bits: Int128
      if options.extremes && chance(0.05) {
        bits = extremeValue(type, width)
      } else {
        switch style {
        case 0: bits = value(type, Int64(int(-100...100)))
        case 1:
          running += Int64(int(0...5))
          bits = value(type, running)
        case 2: bits = value(type, Int64(int(0..<4)) * 1_000)
        default: bits = wideValue(type, width, options)
        }
      }
      withUnsafeBytes(of: bits.littleEndian) { result += $0.prefix(width) }
    }
    return exactBuffer(result)
  }

  /// A small number as the type's bits, within the type's meaning.
  private func value(_ type: DataType, _ number: Int64) -> Int128 {
    switch type {
    case .uint8, .uint16, .uint32, .uint64, .time32, .time64: Int128(abs(number) % 120)
    case .int8: Int128(number % 128)
    case .date64: Int128(number) * 86_400_000
    case .float16: Int128(Float16(Float(number % 1_000) / 8).bitPattern)
    case .float32: Int128((Float(number) / 8).bitPattern)
    case .float64: Int128((Double(number) / 10).bitPattern)
    default: Int128(number)
    }
  }

  private mutating func wideValue(_ type: DataType, _ width: Int, _ options: RandomOptions)
    -> Int128
  {
    let random = Int128(truncatingIfNeeded: next())
    let wide = (Int128(truncatingIfNeeded: next()) << 64) | random
    switch type {
    case .decimal128(let precision, _): return wide % Self.powerOfTen(precision)
    case .date32: return Int128(Int32(truncatingIfNeeded: next())) / 500
    case .date64: return Int128(int(-1_000_000...1_000_000)) * 86_400_000
    case .time32(let unit), .time64(let unit):
      return Int128(next() % UInt64(86_400 * unit.perSecond))
    case .timestamp(let unit, _):  // years 1677 to 2262, which nanoseconds hold
      return Int128(Int64(bitPattern: next()) / 1_000_000_001) * Int128(unit.perSecond)
        + Int128(next() % UInt64(unit.perSecond))
    case .float16:
      let number = Float16(bitPattern: UInt16(truncatingIfNeeded: next()))
      return Int128((number.isFinite ? number : 1).bitPattern)
    case .float32:
      let number = Float(bitPattern: UInt32(truncatingIfNeeded: next()))
      return Int128((number.isFinite ? number : 1).bitPattern)
    case .float64:
      let number = Double(bitPattern: next())
      return Int128((number.isFinite ? number : 1).bitPattern)
    default: return random
    }
  }

  private mutating func extremeValue(_ type: DataType, _ width: Int) -> Int128 {
    switch type {
    case .decimal128(let precision, _):
      let limit = Self.powerOfTen(precision) - 1
      return pick([limit, -limit, 0])
    case .date32: return Int128(pick([Int32.min, .max]) / 4_000)
    case .date64: return Int128(pick([-5_000_000, 5_000_000])) * 86_400_000
    case .time32(let unit), .time64(let unit):
      return Int128(pick([0, 86_400 * unit.perSecond - 1]))
    case .timestamp(let unit, _):
      let seconds = pick([-9_223_372_036, 9_223_372_035, -1, 0])
      return Int128(seconds) * Int128(unit.perSecond)
    case .float16:
      return Int128(
        pick([Float16.nan, .infinity, -.infinity, -0.0, .greatestFiniteMagnitude]).bitPattern)
    case .float32:
      return Int128(
        pick([Float.nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude]).bitPattern)
    case .float64:
      return Int128(
        pick([Double.nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude]).bitPattern)
    default:
      let bits = width * 8
      return pick([0, -1, (Int128(1) << (bits - 1)) - 1, -(Int128(1) << (bits - 1))])
    }
  }

  private static func powerOfTen(_ exponent: Int) -> Int128 {
    (0..<exponent).reduce(Int128(1)) { power, _ in power * 10 }
  }
}

/// The elements in memory of exactly their size, so that the address sanitizer sees a read of one byte
/// too many (`Buffer`'s own memory ends at a multiple of 64).
public func exactBuffer<T: BitwiseCopyable>(_ elements: [T]) -> Buffer {
  // Safe: the buffer's release is the only one to free the memory, once nobody reads it any more.
  elements.withUnsafeBytes { bytes in
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 16)
    if let base = bytes.baseAddress { memory.copyMemory(from: base, byteCount: bytes.count) }
    let address = UInt(bitPattern: memory)
    return Buffer(foreign: memory, count: bytes.count) {
      UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
    }
  }
}
