// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Whole files with damage whose checksums fit: readers, verification and erasure give well-formed rows
/// or errors, in bounded time and memory. `dev/fuzz SECONDS WeirFileTests.FileFuzz` runs it for long under address
/// sanitizer; every read has an allocation of its own size.
@Suite(.serialized) struct FileFuzzTests {
  private static let name = "damaged.weir"
  private static let secondsMax = 20.0
  private static let memoryGrowthMax = 1 << 30

  /// The golden files.
  private static func golden() -> [[UInt8]] {
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let url = root.appendingPathComponent("testdata/weir-file")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.sorted().filter { $0.hasSuffix(".weir") }.compactMap { name in
      (try? Data(contentsOf: url.appendingPathComponent(name))).map { [UInt8]($0) }
    }
  }

  /// A file of random columns, or of lists that slide, or of columns that share dictionaries.
  private static func written(_ random: inout SeededRandom) throws -> [UInt8] {
    let batch =
      switch random.int(0..<3) {
      case 0: try WindowTests.batch(&random, rows: 200, large: random.chance(0.3))
      case 1: try SharedDictionaryTests.batch(seed: random.next(), rows: 300, distinct: 120)
      default: random.batch(random.schema(columns: 4), rows: random.pick([1, 40, 300]))
      }
    var options = RoundTripTests.writeOptions(&random)
    options.pageRowsMax = random.pick([60, 300])
    options.keyColumns = batch.schema.fields.filter {
      KeyHash.isSupported($0.type) && random.chance(0.4)
    }.map(\.name)
    let file = try RoundTripTests.write([batch], batch.schema, options)
    return try file.read(0..<file.size).array(of: UInt8.self)
  }

  @Test func damagedFilesNeverCrash() throws {
    let golden = Self.golden()
    #expect(golden.count >= 6, "no golden files: run testdata/weir-file/make.py")
    let keeper = InputKeeper("weir-file")
    let clock = ContinuousClock()
    let end = clock.now + .seconds(FuzzSettings.seconds ?? 6)
    var seed = FuzzSettings.seed ?? 1
    var (tried, threw) = (0, 0)
    while clock.now < end {
      if FuzzSettings.seconds != nil && seed % 1_000 == 0 {
        print("FileFuzzTests: \(tried) inputs, seed \(seed)")
      }
      var random = SeededRandom(seed: seed)
      seed += 1
      let original = random.chance(0.3) ? random.pick(golden) : try Self.written(&random)
      let mutator = try FileMutator(original)
      for _ in 0..<20 where clock.now < end {
        let input = mutator.mutate(&random)
        keeper.keep(input)
        tried += 1
        if try !Self.check(input, keeper) { threw += 1 }
      }
    }
    print("FileFuzzTests: \(tried) inputs, \(threw) refused")
    #expect(tried > 20)
    #expect(threw > tried / 10)
  }

  /// Tries one input in every way; false when one of them threw.
  private static func check(_ input: [UInt8], _ keeper: InputKeeper) throws -> Bool {
    let clock = ContinuousClock()
    let (begin, memory) = (clock.now, peakMemory())
    alarm(120)
    defer { alarm(0) }
    var random = SeededRandom(seed: UInt64(input.count))
    let passed = read(input, &random)
    var problem: String?
    let seconds = Double((clock.now - begin).components.seconds)
    if seconds > secondsMax { problem = "it took \(seconds) s" }
    let growth = peakMemory() - memory
    if growth > memoryGrowthMax { problem = "memory grew by \(growth >> 20) MiB" }
    if let problem {
      let path = keeper.save(input, "failed")
      Issue.record(
        "\(problem); WEIR_FUZZ_INPUT=\(path ?? "(set WEIR_FUZZ_FOLDER to keep inputs)")")
    }
    return passed
  }

  private static func read(_ input: [UInt8], _ random: inout SeededRandom) -> Bool {
    var options = WeirFileReadOptions()
    options.batchBytesMax = 64 << 20
    options.cacheBytesMax = random.pick([1 << 10, 1 << 20])
    let reader: WeirFileReader
    do throws(WeirFileError) {
      reader = try WeirFileReader(ExactReader(name: name, bytes: input), options: options)
    } catch {
      #expect(error.file == name)
      return false
    }
    var passed = true
    /// Runs what may throw an error of the library, and nothing else.
    func attempt(_ body: () throws(WeirFileError) -> Void) {
      do throws(WeirFileError) {
        try body()
      } catch {
        #expect(!error.description.isEmpty)
        passed = false
      }
    }
    attempt { () throws(WeirFileError) in _ = try reader.schema }
    attempt { () throws(WeirFileError) in
      try scan(try reader.batches(batchRows: random.pick([7, 100, 65_536])))
      try scan(try reader.batches(uniqueLists: true))
    }
    attempt { () throws(WeirFileError) in
      if reader.rowCount == 0 { return }
      _ = try reader.take(rows: (0..<9).map { _ in random.int(0..<reader.rowCount) })
    }
    attempt { () throws(WeirFileError) in try scanFields(reader, &random) }
    let isSound = reader.problems().isEmpty
    attempt { () throws(WeirFileError) in _ = try reader.columnInfos(nil) }
    attempt { () throws(WeirFileError) in
      if reader.rowCount == 0 { return }
      let store = MemoryObjectStore()
      guard let sink = try? store.create("e", condition: .none) else { return }
      let rows = (0..<4).map { _ in random.int(0..<reader.rowCount) }
      _ = try WeirFileEraser.erase(rows: rows, of: reader, to: sink)
      guard let file = try? store.open("e") else { return }
      // What comes of a sound file is sound, too.
      let erased = try? WeirFileReader(file)
      let isStillSound = erased?.problems().isEmpty ?? false
      #expect(!isSound || isStillSound)
    }
    return passed
  }

  /// Rows of columns by a predicate on one of numbers, of fields of structs where there are such.
  private static func scanFields(
    _ reader: WeirFileReader, _ random: inout SeededRandom
  ) throws(WeirFileError) {
    let fields = try reader.schema.fields
    var names = fields.map(\.name)
    for field in fields {
      if case .struct(let inner) = field.type, let first = inner.first {
        names.append("\(field.name).\(first.name)")
      }
    }
    if names.isEmpty { return }
    let wanted = [random.pick(names)]
    try scan(try reader.batches(columns: wanted))
    let numbers = fields.filter { $0.type == .int64 || $0.type == .int32 }
    guard let column = numbers.first,
      let predicate = try? WeirColumnar.Predicate(
        parsing: "\"\(column.name)\" <= \(random.int(-5...5_000))")
    else { return }
    let matches = try reader.matches(predicate, columns: wanted, batchRows: 50)
    for _ in 0..<20 {
      guard try matches.next() != nil else { return }
    }
  }

  private static func scan(_ batches: WeirFileBatches) throws(WeirFileError) {
    // A row count can make many batches of one file.
    for _ in 0..<20 {
      guard let batch = try batches.next() else { return }
      for column in batch.columns { try? column.validate(full: false) }
    }
  }

  /// For `WEIR_FUZZ_INPUT=path`: what a long run found, alone.
  @Test(.enabled(if: FuzzSettings.input != nil)) func oneInput() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: FuzzSettings.input ?? "")))
    let clock = ContinuousClock()
    let begin = clock.now
    print("passed:", try Self.check(bytes, InputKeeper("one")), "in", clock.now - begin)
    do throws(WeirFileError) {
      let reader = try WeirFileReader(ExactReader(name: Self.name, bytes: bytes))
      for problem in reader.problems() { print(problem) }
    } catch { print(error) }
  }
}
