// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirCompression
internal import _WeirTestSupport

@testable internal import WeirFile

extension NaiveEncoder {
  mutating func tiered(_ values: [UInt64], _ shape: NaiveShape) -> EncodedNode? {
    let base = values.min() ?? 0
    let most = 64 - (values.map { $0 - base }.max() ?? 0).leadingZeroBitCount
    guard most <= 57 else { return nil }
    var widths = [random.int(0...most), random.int(0...most), most, random.int(0...most)]
    for index in 0..<3 { widths.swapAt(index, random.int(index..<4)) }
    var (tags, starts): ([UInt64], [UInt32]) = ([], [])
    let bits = MutableBuffer()
    for block in stride(from: 0, to: values.count, by: 256) {
      starts.append(UInt32(bits.count))
      var written: [UInt8] = []
      var place = 0
      for value in values[block..<min(values.count, block + 256)] {
        let number = value - base
        let length = 64 - number.leadingZeroBitCount
        let fitting = (0..<4).filter { widths[$0] >= length }
        let tag = random.pick(fitting)
        tags.append(UInt64(tag))
        for bit in 0..<widths[tag] {
          if place % 8 == 0 { written.append(0) }
          written[place / 8] |= UInt8(number >> UInt64(bit) & 1) << UInt8(place % 8)
          place += 1
        }
      }
      bits.append(contentsOf: written)
    }
    bits.appendZeros(8)
    var node = empty(.tiered, shape, values.count)
    node.a = base
    node.b = widths.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    node.buffers = [Self.packed(tags, 2), bits.finish(), Buffer(starts)]
    return node
  }

  mutating func decimal(
    _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> EncodedNode? {
    guard depth < 3 else { return nil }
    let exponent = random.int(0...18)
    let power = pow(10.0, Double(exponent))
    var (integers, places): ([NaiveValue], [Int]) = ([], [])
    for (index, value) in values.enumerated() {
      let number: Double
      if case .four = shape {
        number = Double(Float(bitPattern: UInt32(value.number)))
      } else {
        number = Double(bitPattern: value.number)
      }
      let scaled = (number * power).rounded()
      let limit = shape.bitWidth == 32 ? 0x1p30 : 0x1p52
      var integer: Int64 = 0
      if scaled.isFinite && abs(scaled) < limit { integer = Int64(scaled) }
      let quotient = Double(integer) / power
      let bits =
        shape.bitWidth == 32 ? UInt64(Float(quotient).bitPattern) : quotient.bitPattern
      if bits != value.number { places.append(index) }
      integers.append(
        .number(
          shape.bitWidth == 32
            ? UInt64(UInt32(truncatingIfNeeded: integer)) : UInt64(bitPattern: integer)))
    }
    var node = empty(.decimal, shape, values.count)
    node.parameter = UInt8(exponent)
    node.children = [
      self.node(integers, shape, nil, depth + 1), positions(places, depth),
      self.node(places.map { values[$0] }, shape, nil, depth + 1),
    ]
    return node
  }

  mutating func ragged(
    _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> EncodedNode {
    let items: EncodedNode
    let lengths: [Int]
    if case .lists(let item, _) = shape {
      lengths = values.map { $0.many.count }
      items = array(values.flatMap(\.many), item, depth: depth + 1)
    } else {
      lengths = values.map { $0.bytes.count }
      items = node(values.flatMap { $0.bytes.map { .number(UInt64($0)) } }, .one, nil, depth + 1)
    }
    var starts: [UInt32] = []
    var total = 0
    for (index, length) in lengths.enumerated() {
      if index % 256 == 0 { starts.append(UInt32(total)) }
      total += length
    }
    var node = empty(shape.kind == .bytes ? .strings : .list, shape, values.count)
    node.buffers = [random.chance(0.5) ? Buffer(starts) : Buffer()]
    node.children = [positions(lengths, depth), items]
    return node
  }

  mutating func fsst(_ values: [NaiveValue], _ depth: Int) -> EncodedNode? {
    guard depth < 3 else { return nil }
    let symbols = (0..<random.int(0...20)).map { _ in random.compressibleBytes(random.int(1...8)) }
    let coded = values.map { value -> NaiveValue in
      var (rest, out) = (value.bytes[...], [UInt8]())
      while let first = rest.first {
        if let code = symbols.firstIndex(where: { rest.starts(with: $0) }) {
          out.append(UInt8(code))
          rest = rest.dropFirst(symbols[code].count)
        } else {
          out += [255, first]
          rest = rest.dropFirst()
        }
      }
      return .bytes(out)
    }
    var node = empty(.fsst, .strings, values.count)
    node.buffers = [
      Buffer([UInt8(symbols.count)] + symbols.map { UInt8($0.count) } + symbols.flatMap { $0 })
    ]
    node.children = [
      positions(values.map { $0.bytes.count }, depth), self.node(coded, .strings, nil, depth + 1),
    ]
    return node
  }

  mutating func window(
    _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> EncodedNode? {
    guard depth < 3, case .lists(let item, _) = shape else { return nil }
    // Values of pools are not nullable (those of null lists are no values).
    if case .nulls = item { return nil }
    if values.contains(where: { $0.many.contains(.null) }) { return nil }
    var pool: [NaiveValue] = []
    var starts: [Int] = []
    for value in values {
      let items = value.many
      // An earlier list may hold these items, or the pool's end their beginning.
      if !starts.isEmpty, random.chance(0.5),
        let place = starts.first(where: {
          $0 + items.count <= pool.count && Array(pool[$0..<$0 + items.count]) == items
        })
      {
        starts.append(place)
        continue
      }
      starts.append(pool.count)
      pool += items
    }
    var node = empty(.window, shape, values.count)
    node.a = UInt64(addAuxiliary(.pool, pool, item, depth + 1))
    node.children = [positions(starts, depth), positions(values.map { $0.many.count }, depth)]
    return node
  }

  mutating func zstd(_ values: [NaiveValue], _ shape: NaiveShape) -> EncodedNode? {
    guard shape.fixedWidth > 0 else { return nil }
    let bytes = Self.plain(values, shape).array(of: UInt8.self)
    let block = shape.fixedWidth * random.pick([1, 7, 300])
    guard let codec = try? Compressor(.zstd, level: 1) else { return nil }
    var (frames, ends): ([UInt8], [UInt32]) = ([], [])
    for start in stride(from: 0, to: bytes.count, by: block) {
      let part = Array(bytes[start..<min(bytes.count, start + block)])
      var room = [UInt8](repeating: 0, count: codec.maxCompressedSize(part.count))
      let size = part.withUnsafeBytes { from in
        room.withUnsafeMutableBytes { (try? codec.compress(from, into: $0)) ?? 0 }
      }
      frames += room.prefix(size)
      ends.append(UInt32(frames.count))
    }
    var node = empty(.zstd, shape, values.count)
    node.b = UInt64(block)
    node.buffers = [Buffer(ends), Buffer(frames)]
    return node
  }

  // MARK: encodings that lose precision

  /// Values that such an encoding can hold, and their node.
  mutating func lossy(_ encoding: PageEncoding, _ count: Int) -> ([NaiveValue], EncodedNode) {
    var node = empty(encoding, .four, count)
    var floats: [Float] = []
    switch encoding {
    case .float16:
      var halves = numbers(16, count)
      // NaN is not equal to itself: which of its bits stay is nobody's promise.
      halves = halves.map { $0 & 0x7c00 == 0x7c00 ? $0 & 0xfc00 : $0 }
      floats = halves.map { Float(Float16(bitPattern: UInt16($0))) }
      node.children = [self.node(halves.map { .number($0) }, .two, nil, 1)]
    case .bfloat16:
      let halves = numbers(16, count)
      floats = halves.map { Float(bitPattern: UInt32($0) << 16) }
      node.children = [self.node(halves.map { .number($0) }, .two, nil, 1)]
    default:
      let group = random.pick([1, 3, 64])
      let codes = numbers(8, count)
      let scales = (0..<(count + group - 1) / group).map { _ in
        Float(random.int(1...1_000)) / 512
      }
      floats = codes.enumerated().map {
        Float(Int8(truncatingIfNeeded: $1)) * scales[$0 / group]
      }
      node.a = UInt64(group)
      node.children = [
        self.node(codes.map { .number($0) }, .one, nil, 1),
        self.node(scales.map { .number(UInt64($0.bitPattern)) }, .four, nil, 1),
      ]
    }
    return (floats.map { .number(UInt64($0.bitPattern)) }, node)
  }
}
