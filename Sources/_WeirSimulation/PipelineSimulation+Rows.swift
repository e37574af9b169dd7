// SPDX-License-Identifier: Apache-2.0

internal import WeirStreaming
internal import _WeirTestSupport

// Rows come in.
extension PipelineSimulation {
  /// Sends rows until they are acknowledged, whatever happens to the process.
  func put() throws {
    let now = Int64(world.clock.now / 1_000)
    let (input, new) = pipeline.rows(&random, now: now)
    nextSequence += 1
    let stamp = ProducerStamp(id: "producer", sequence: nextSequence)
    for attempt in 0..<60 {
      let process = try open()
      if attempt > 20 { process.fate.arm(nil) }
      switch try send(new, stamp, process.opened.inputs[input]) {
      case .success(let receipt):
        note("put \(new.count) rows \(input)/\(stamp.sequence): \(receipt.offsets)")
        counts.rows += new.count
        sent.append(SentRequest(input: input, rows: new, stamp: stamp, offsets: receipt.offsets))
        if sent.count > 10 { sent.removeFirst() }
        return try acknowledge(new, input, receipt)
      case .failure(let error): note("put \(stamp.sequence) failed: \(error)")
      case nil: note("put \(stamp.sequence): no answer")
      }
      world.clock.advance(1_500_000_000)
      // Rows may be in the log that nobody is sure of yet.
      if random.chance(0.3) { try work(process, random.int(1..<4)) }
    }
    throw fail("rows cannot be sent any more")
  }

  private func send(
    _ rows: [LoggedRow], _ stamp: ProducerStamp, _ stream: StreamTable
  ) throws -> Result<StreamReceipt, StreamError>? {
    try SentRows.send(rows, stamp, to: stream) { stream.step() }
  }

  /// Finds out which row has which offset.
  private func acknowledge(_ rows: [LoggedRow], _ input: Int, _ receipt: StreamReceipt) throws {
    // The process may have died since.
    let stream = try openQuietly().opened.inputs[input]
    for row in try SentRows.logged(
      rows, receipt, in: stream, identity: pipeline.identity[input])
    where !pipeline.acknowledge(row.row, input: input, shard: row.shard, offset: row.offset) {
      throw fail("the log has another row at \(row.shard)/\(row.offset)")
    }
  }

  /// A request that was acknowledged comes again, by the network or by a careful producer.
  func sendAgain() throws {
    guard !sent.isEmpty else { return }
    let request = random.pick(sent)
    let stream = try open().opened.inputs[request.input]
    guard case .success(let receipt)? = try send(request.rows, request.stamp, stream)
    else { return note("again \(request.stamp.sequence): no answer") }
    note("again \(request.stamp.sequence): \(receipt.offsets)")
    guard receipt.isRepeat, receipt.offsets == request.offsets else {
      throw fail("a request that came again was appended again: \(receipt)")
    }
  }
}
