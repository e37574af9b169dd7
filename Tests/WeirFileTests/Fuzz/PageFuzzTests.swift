// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirFile

/// Pages in every encoding: values come back as the naive reference has them, whole, in ranges and row by
/// row; and damaged pages give errors or values, in bounded time and memory. `dev/fuzz SECONDS PageFuzz`
/// runs it for long under address sanitizer.
@Suite(.serialized) struct PageFuzzTests {
  private static let seconds = FuzzSettings.seconds
  private static let seed = FuzzSettings.seed
  /// Those that a root can have: parts are fields of structs.
  static let encodings = PageEncoding.allCases.filter { $0 != .part }
  /// Of one input, wherever it is run; a hang is ended by the alarm.
  private static let secondsMax = 10.0
  private static let memoryGrowthMax = 1 << 30

  /// Seeds of one encoding until its share of the time is used up; few in ordinary test runs.
  private static func seeds(_ encoding: PageEncoding, _ body: (UInt64) throws -> Void) rethrows {
    // After a crash it says which page it was: of the code of the encoding, and the seed.
    let keeper = InputKeeper("weir-page")
    let clock = ContinuousClock()
    let share = (seconds ?? 0) / Double(encodings.count)
    let end = clock.now + .seconds(share)
    let first = seed ?? 1
    var next = first
    while next < first + 12 || seconds != nil && clock.now < end {
      let number = next << 8 | UInt64(encoding.rawValue)
      keeper.keep(Array("page \(encoding.rawValue) \(number)\n".utf8))
      try body(number)
      next += 1
    }
    if seconds != nil { print("PageFuzzTests: \(next - first) seeds of \(encoding.name)") }
  }

  /// A page whose root, or an array in it, has the encoding.
  private struct Input {
    var shape: NaiveShape
    var values: [NaiveValue]
    var page: Buffer
    var auxiliary: [(role: AuxiliaryRole, shift: Int, count: Int, pages: [Buffer])]

    init(_ encoding: PageEncoding, _ random: inout SeededRandom) {
      var naive = NaiveEncoder(SeededRandom(seed: random.next()))
      let count = random.pick([0, 1, 2, 40, 300, 700])
      let node: EncodedNode
      switch encoding {
      case .float16, .bfloat16, .scaled:
        shape = .four
        (values, node) = naive.lossy(encoding, count)
      default:
        shape = Self.shape(&random, encoding, depth: 0)
        values = naive.values(shape, count)
        if encoding == .constant, let first = values.first {
          values = values.map { _ in first }
        }
        if case .nulls = shape {
        } else if encoding == .nullable || random.chance(0.2) {
          values = values.map { random.chance(0.3) ? .null : $0 }
        }
        node = naive.array(values, shape, encoding, depth: 0)
      }
      page = node.page()
      auxiliary = naive.auxiliary
    }

    private static func shape(
      _ random: inout SeededRandom, _ encoding: PageEncoding?, depth: Int
    ) -> NaiveShape {
      var shapes: [NaiveShape] = [
        .bits, .one, .two, .four, .eight, .sixteen, .strings, .fixed(random.int(1...20)), .nulls,
      ]
      if depth < 3 {
        let item = shape(&random, nil, depth: depth + 1)
        let nullable = random.chance(0.5)
        shapes += [
          .lists(item, nullable: nullable),
          .fixedLists(item, random.int(0...3), nullable: nullable),
          .structs([item] + (random.chance(0.5) ? [.two] : []), nullable: nullable),
        ]
      }
      let fitting = shapes.filter {
        guard let encoding, encoding != .nullable else {
          if case .nulls = $0 { return encoding == nil }
          return true
        }
        return NaiveEncoder.encodings($0).contains(encoding)
      }
      return random.pick(fitting)
    }

    /// The page's node and what it refers to; pages may have been damaged.
    func parsed() throws(WeirFileError) -> (PageNode, PageDecoder) {
      var arrays: [AuxiliaryArray] = []
      for array in auxiliary {
        let pages = array.pages
        arrays.append(
          AuxiliaryArray(
            role: array.role, shift: array.shift, count: array.count, pageCount: pages.count,
            earlier: arrays, keptByteCountMax: 1 << 20
          ) { (index) throws(WeirFileError) in
            try PageParser.parse(PageFuzzTests.exact(pages[index]))
          })
      }
      return (try PageParser.parse(PageFuzzTests.exact(page)), PageDecoder(auxiliary: arrays))
    }
  }

  /// In an allocation of its size: address sanitizer sees what is read beyond it.
  private static func exact(_ page: Buffer) -> Buffer {
    exactBuffer(page.array(of: UInt8.self)[...])
  }

  private static func read(
    _ input: Input, _ body: (ColumnSink, PageNode, PageDecoder) throws(WeirFileError) -> Void
  ) throws(WeirFileError) -> ArrayData {
    let (node, decoder) = try input.parsed()
    let sink = ColumnSink.make(input.shape.type, SinkLimit(64 << 20))
    try body(sink, node, decoder)
    return try sink.finish()
  }

  /// Ranges that make up the values from some row on.
  private static func ranges(_ count: Int, _ random: inout SeededRandom) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var next = random.int(0...count)
    while next < count {
      let end = random.chance(0.3) ? count : random.int(next...min(count, next + 300))
      result.append(next..<end)
      next = end == next ? next + 1 : end
    }
    return result
  }

  @Test(arguments: PageFuzzTests.encodings)
  func valuesComeBack(encoding: PageEncoding) throws {
    try Self.seeds(encoding) { seed in try Self.values(encoding, seed) }
  }

  private static func values(_ encoding: PageEncoding, _ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let input = Input(encoding, &random)
    let count = input.values.count
    let whole = try Self.read(input) { (sink, node, decoder) throws(WeirFileError) in
      try sink.append(node, 0, node.count, decoder)
    }
    #expect(NaiveValue.rows(whole) == input.values, "\(encoding.name), seed \(seed)")
    let ranges = Self.ranges(count, &random)
    let parts = try Self.read(input) { (sink, node, decoder) throws(WeirFileError) in
      for range in ranges { try sink.append(node, range.lowerBound, range.count, decoder) }
    }
    let expected = ranges.flatMap { input.values[$0] }
    #expect(NaiveValue.rows(parts) == expected, "ranges, \(encoding.name), seed \(seed)")
    if count == 0 { return }
    let rows = (0..<random.pick([1, 7, 200])).map { _ in random.int(0..<count) }.sorted()
    let picked = try Self.read(input) { (sink, node, decoder) throws(WeirFileError) in
      try sink.pick(node, rows: rows.map { UInt32($0) }, decoder)
    }
    #expect(
      NaiveValue.rows(picked) == rows.map { input.values[$0] },
      "rows, \(encoding.name), seed \(seed)")
  }

  /// Some bytes are others; often whole numbers of nodes and buffers.
  private static func damaged(_ page: Buffer, _ random: inout SeededRandom) -> Buffer {
    var bytes = page.array(of: UInt8.self)
    let head = 8 + Int(page.number(UInt16.self, at: 0)) * 32
    for _ in 0..<random.int(1...4) {
      let place = random.chance(0.6) ? random.int(0..<head) : random.int(0..<bytes.count)
      if random.chance(0.3) {
        let width = random.pick([1, 2, 4, 8])
        let number = random.pick([
          0, 1, UInt64.max, UInt64(bytes.count), 1 << 28, 1 << 31, 1 << 32, 1 << 40, random.next(),
        ])
        for byte in 0..<width where place & ~(width - 1) + byte < bytes.count {
          bytes[place & ~(width - 1) + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))
        }
      } else {
        bytes[place] =
          random.chance(0.5)
          ? bytes[place] ^ (1 << UInt8(random.int(0...7))) : UInt8(random.int(0...255))
      }
    }
    return Buffer(bytes)
  }

  @Test(arguments: PageFuzzTests.encodings)
  func damageGivesErrors(encoding: PageEncoding) throws {
    Self.seeds(encoding) { seed in Self.damage(encoding, seed) }
  }

  private static func damage(_ encoding: PageEncoding, _ seed: UInt64) {
    let clock = ContinuousClock()
    var random = SeededRandom(seed: seed &+ 1 << 40)
    let input = Input(encoding, &random)
    for _ in 0..<8 {
      var bad = input
      if !bad.auxiliary.isEmpty, random.chance(0.4) {
        let array = random.int(0..<bad.auxiliary.count)
        guard !bad.auxiliary[array].pages.isEmpty else { continue }
        let page = random.int(0..<bad.auxiliary[array].pages.count)
        bad.auxiliary[array].pages[page] = Self.damaged(bad.auxiliary[array].pages[page], &random)
      } else {
        bad.page = Self.damaged(bad.page, &random)
      }
      let (begin, memory) = (clock.now, peakMemory())
      alarm(60)
      Self.tryAll(bad, &random)
      alarm(0)
      let seconds = Double((clock.now - begin).components.seconds)
      #expect(seconds < Self.secondsMax, "\(encoding.name), seed \(seed): \(seconds) s")
      let growth = peakMemory() - memory
      #expect(
        growth < Self.memoryGrowthMax, "\(encoding.name), seed \(seed): \(growth >> 20) MiB")
    }
  }

  /// Reads in every way; whatever comes is an array of the rows asked for or an error.
  private static func tryAll(_ input: Input, _ random: inout SeededRandom) {
    do throws(WeirFileError) {
      let whole = try read(input) { (sink, node, decoder) throws(WeirFileError) in
        try sink.append(node, 0, node.count, decoder)
      }
      try? whole.validate(full: false)
      _ = try read(input) { (sink, node, decoder) throws(WeirFileError) in
        for range in ranges(min(node.count, 5_000), &random) {
          try sink.append(node, range.lowerBound, range.count, decoder)
        }
      }
      _ = try read(input) { (sink, node, decoder) throws(WeirFileError) in
        if node.count == 0 { return }
        let most = min(node.count, Int(UInt32.max))
        let rows = (0..<20).map { _ in UInt32(random.int(0..<most)) }.sorted()
        try sink.pick(node, rows: rows, decoder)
      }
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  /// For `WEIR_FUZZ_INPUT=path` of a file with `page ENCODING SEED`: what a long run found, alone.
  @Test(.enabled(if: FuzzSettings.input != nil)) func oneSeed() throws {
    let words = try String(contentsOfFile: FuzzSettings.input ?? "", encoding: .utf8).split {
      $0.isWhitespace
    }
    guard words.count == 3, words[0] == "page", let code = UInt8(words[1]),
      let encoding = PageEncoding(rawValue: code), let seed = UInt64(words[2])
    else { return }
    try Self.values(encoding, seed)
    Self.damage(encoding, seed)
  }
}
