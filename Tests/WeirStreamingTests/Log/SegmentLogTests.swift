// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

@Suite struct SegmentLogTests {
  let folder = LogFolder()
  let disk = SystemDisk()

  private func open(_ options: SegmentLogOptions = .small()) throws -> SegmentLog {
    try SegmentLog(disk, folder: folder.path, options)
  }

  @Test func rowsComeBackInOrderAlsoAfterReopening() throws {
    var log = try open()
    var appended: [LogAppend] = []
    var next: Int64 = 0
    for group in 0..<40 {
      let batches = (0..<(group % 4 + 1)).map { _ in
        let rows = Int64(appended.count % 13 + 1)
        defer { next += rows }
        let append = LogAppend(numbers(next..<next + rows), ingestTime: Int64(group))
        appended.append(append)
        return append
      }
      let receipts = try log.append(batches)
      #expect(receipts.count == batches.count)
      #expect(receipts.last?.offsets.upperBound == next)
      #expect(log.offsets == 0..<next)
      if group % 7 == 6 {
        log.close()
        log = try open()
      }
    }
    for _ in 0..<2 {
      let entries = try log.entries()
      #expect(entries.count == appended.count)
      for (entry, append) in zip(entries, appended) {
        #expect(entry.batch.schema == append.batch.schema)
        #expect(rows(entry.batch) == rows(append.batch))
        #expect(entry.ingestTime == append.ingestTime)
      }
      // From the middle of an entry, and from the end.
      let middle = try log.entries(from: next / 2)
      #expect(middle[0].offsets.contains(next / 2))
      #expect(middle.last?.offsets.upperBound == next)
      #expect(try log.entries(from: next).isEmpty)
      log.close()
      log = try open()
    }
    #expect(try disk.list(folder.path).count > 3)
  }

  @Test func aRepeatedStampGetsItsOffsetsAgain() throws {
    var log = try open()
    func send(_ sequence: Int64, id: String = "p") throws -> LogReceipt {
      try log.append([
        LogAppend(
          numbers(0..<3), ingestTime: 0, producer: ProducerStamp(id: id, sequence: sequence))
      ])[0]
    }
    let first = try send(5)
    #expect(first == LogReceipt(offsets: 0..<3))
    #expect(try send(5) == LogReceipt(offsets: 0..<3, isRepeat: true))
    // Out of order, and never seen.
    #expect(try send(3) == LogReceipt(offsets: 3..<6))
    #expect(try send(5, id: "q") == LogReceipt(offsets: 6..<9))
    for sequence in 6..<200 { _ = try send(Int64(sequence)) }
    try log.trim(before: log.offsets.upperBound)
    #expect(log.offsets.lowerBound > 9)
    log.close()
    log = try open()
    let kept = log.offsets
    #expect(try send(199).isRepeat)
    #expect(try send(170).isRepeat)
    #expect(try send(5, id: "q") == LogReceipt(offsets: 6..<9, isRepeat: true))
    #expect(try send(3).isStale)
    #expect(log.offsets == kept)
    // Within one group, too.
    let stamp = ProducerStamp(id: "r", sequence: 1)
    let receipts = try log.append([
      LogAppend(numbers(0..<1), ingestTime: 0, producer: stamp),
      LogAppend(numbers(0..<1), ingestTime: 0, producer: stamp),
    ])
    #expect(receipts[1] == LogReceipt(offsets: receipts[0].offsets, isRepeat: true))
  }

  @Test func aSecondOpenIsRefusedWithTheHolder() throws {
    var options = SegmentLogOptions.small()
    options.owner = "process 17 on host a"
    let log = try open(options)
    let error = #expect(throws: StreamError.self) { try open() }
    #expect(error?.code == .conflict)
    #expect(error?.description.contains("process 17 on host a") == true)
    log.close()
    _ = try open()
  }
}
