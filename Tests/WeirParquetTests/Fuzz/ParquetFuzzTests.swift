// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Small files with damage: the reader returns well-formed batches or throws an error that says where,
/// in bounded time and memory. `dev/fuzz` runs this suite for hours under address sanitizer.
@Suite(.serialized) struct ParquetFuzzTests {
  private static let folder = "testdata/parquet-fuzz"
  private static let name = "damaged.parquet"
  /// Of one small input, wherever it is run; a hang is ended by the alarm.
  private static let secondsMax = 10.0
  private static let alarmSeconds: UInt32 = 60
  private static let memoryGrowthMax = 1 << 30

  @Test func damagedFilesNeverCrash() throws {
    let corpus = filesOf(folder: Self.folder).map(\.bytes)
    #expect(corpus.count > 20, "no corpus: run testdata/parquet-fuzz/generate.py")
    let mutator = ParquetMutator(corpus: corpus)
    let keeper = InputKeeper("parquet")
    let clock = ContinuousClock()
    let end = clock.now + .seconds(FuzzSettings.seconds ?? 8)
    var seed = FuzzSettings.seed ?? 1
    var (tried, threw) = (0, 0)
    while clock.now < end {
      if FuzzSettings.seconds != nil && seed % 1000 == 0 {
        print("ParquetFuzzTests: \(tried) inputs, seed \(seed)")
      }
      var random = SeededRandom(seed: seed)
      seed += 1
      let original = random.pick(corpus)
      for _ in 0..<20 where clock.now < end {
        let input = mutator.mutate(original, &random)
        keeper.keep(input)
        tried += 1
        if try !check(input, keeper) { threw += 1 }
      }
    }
    print("ParquetFuzzTests: \(tried) inputs, \(threw) refused")
    #expect(tried > 50)
    #expect(threw > tried / 10)
  }

  /// Tries one input in several ways; false when each of them threw.
  private func check(_ input: [UInt8], _ keeper: InputKeeper) throws -> Bool {
    let clock = ContinuousClock()
    let begin = clock.now
    let memory = peakMemory()
    alarm(Self.alarmSeconds)
    defer { alarm(0) }
    var problem: String?
    var passed = false
    do {
      passed = try read(input)
    } catch {
      problem = "\(error)"
    }
    let seconds = Double((clock.now - begin).components.seconds)
    if seconds > Self.secondsMax { problem = "it took \(seconds) s" }
    let growth = peakMemory() - memory
    if growth > Self.memoryGrowthMax { problem = "memory grew by \(growth >> 20) MiB" }
    if let problem {
      let path = keeper.save(input, "failed")
      Issue.record(
        "\(problem); WEIR_FUZZ_INPUT=\(path ?? "(set WEIR_FUZZ_FOLDER to keep inputs)")")
    }
    return passed
  }

  /// Throws for wrong results only; false when the reader refused the file.
  private func read(_ input: [UInt8]) throws -> Bool {
    var random = SeededRandom(seed: UInt64(input.count))
    do throws(ParquetError) {
      var options = ParquetReadOptions()
      options.verifiesChecksums = random.chance(0.7)
      options.readAheadByteCount = random.pick([1, 1 << 20])
      let reader = try ParquetReader(ExactReader(name: Self.name, bytes: input), options: options)
      var passed = false
      for attempt in 0..<2 {
        let names = reader.schema.fields.map(\.name)
        let columns = attempt == 0 || names.isEmpty ? nil : [random.pick(names)]
        let batches = try reader.batches(
          columns: columns, predicates: attempt == 0 ? [] : predicates(reader, &random),
          batchRows: random.pick([1, 7, 1_000, 65_536]))
        passed = try scan(batches) || passed
      }
      return passed
    } catch {
      #expect(error.file == Self.name)
      return false
    }
  }

  private func predicates(_ reader: ParquetReader, _ random: inout SeededRandom)
    -> [ColumnPredicate]
  {
    let integers = reader.schema.fields.filter { $0.type == .int32 || $0.type == .int64 }
    guard let field = integers.first else { return [] }
    return [
      ColumnPredicate(
        field.name, random.pick([.equal, .less, .greaterOrEqual]),
        [.int(random.pick([0, 5_000, 7 * 1_000_000_000_000]))])
    ]
  }

  /// False when the scan ended with an error.
  private func scan(_ batches: ParquetBatches) throws(ParquetError) -> Bool {
    // A row count can make many batches of one file.
    for _ in 0..<20 {
      do throws(ParquetError) {
        guard let batch = try batches.next() else { return true }
        for column in batch.columns {
          do throws(ColumnarError) {
            try column.validate(full: true)
          } catch {
            Issue.record("a batch is not well-formed: \(error)")
          }
        }
      } catch {
        #expect(error.file == Self.name, "\(error)")
        #expect(error.rowGroup != nil, "\(error)")
        if error.code == .damaged {
          #expect(error.column != nil || error.position != nil, "\(error)")
        }
        return false
      }
    }
    return true
  }

  /// For `WEIR_FUZZ_INPUT=path`: what a long run found, alone.
  @Test(.enabled(if: FuzzSettings.input != nil)) func oneInput() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: FuzzSettings.input ?? "")))
    let clock = ContinuousClock()
    let begin = clock.now
    print("passed:", try check(bytes, InputKeeper("one")), "in", clock.now - begin)
    do throws(ParquetError) {
      let reader = try ParquetReader(ExactReader(name: Self.name, bytes: bytes))
      let batches = try reader.batches()
      while try batches.next() != nil {}
    } catch { print(error) }
  }

  @Test func everyCutIsRefused() throws {
    for (name, bytes) in filesOf(folder: Self.folder).prefix(4) {
      for count in stride(from: 0, to: bytes.count, by: 7) {
        do throws(ParquetError) {
          _ = try ParquetReader(ExactReader(name: name, bytes: Array(bytes.prefix(count))))
          Issue.record("\(name) cut to \(count) bytes was opened")
        } catch {
          #expect(error.file == name)
        }
      }
    }
  }

  /// One flipped bit anywhere in a page with a checksum: the error names column, page and position.
  @Test func damagedPagesAreNamed() throws {
    var random = SeededRandom(seed: 3)
    var pageCount = 0
    for (name, bytes) in filesOf(folder: Self.folder) {
      let reader = try ParquetReader(ExactReader(name: name, bytes: bytes))
      for (groupIndex, group) in reader.metadata.rowGroups.enumerated()
      where group.rowCount > 0 {
        for chunk in group.columns {
          for page in try pages(of: chunk.metaData, reader, bytes) where page.hasChecksum {
            guard !page.body.isEmpty else { continue }
            pageCount += 1
            var damaged = bytes
            damaged[random.int(page.body)] ^= 1 << UInt8(random.int(0..<8))
            let scan = try ParquetReader(ExactReader(name: name, bytes: damaged))
              .batches(rowGroups: [groupIndex])
            let error = #expect(throws: ParquetError.self) { while try scan.next() != nil {} }
            #expect(error?.code == .damaged)
            #expect(error?.file == name)
            #expect(error?.rowGroup == groupIndex)
            #expect(error?.column == chunk.metaData.path.joined(separator: "."))
            #expect(error?.page == page.number)
            #expect(error?.position == page.start)
          }
        }
      }
    }
    #expect(pageCount > 50)
  }

  private struct Page {
    var number: Int
    var start: Int
    var body: Range<Int>
    var hasChecksum: Bool
  }

  /// Walks over a chunk's page headers.
  private func pages(
    of chunk: ColumnMetaData, _ reader: ParquetReader, _ bytes: [UInt8]
  ) throws -> [Page] {
    var found: [Page] = []
    let range = try reader.chunkRange(chunk)
    var position = range.lowerBound
    var number = 0
    while position < range.upperBound {
      let rest = Buffer(Array(bytes[position..<range.upperBound]))
      let (header, count) = try rest.parseThrift(at: position) {
        (reader) throws(ParquetError) in try PageHeader(&reader)
      }
      let body = position + count..<position + count + header.compressedByteCount
      found.append(
        Page(number: number, start: position, body: body, hasChecksum: header.crc != nil))
      if case .dictionary = header.kind {} else { number += 1 }
      position = body.upperBound
    }
    return found
  }
}
