// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// One request on its way through the shards: who asked hears of it once, when all shards have
/// answered.
final class AppendRun: Sendable {
  private struct State {
    var waiting = 0
    var offsets: [Int: Range<Int64>] = [:]
    var repeats = 0
    var answers = 0
    var deadLetterCount = 0
    var error: StreamError?
  }

  private let request: StreamAppend
  private let stream: StreamTable
  private let completion: @Sendable (Result<StreamReceipt, StreamError>) -> Void
  private let state = Mutex(State())

  init(
    _ request: StreamAppend, _ stream: StreamTable,
    _ completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) {
    self.request = request
    self.stream = stream
    self.completion = completion
  }

  func start() {
    do throws(StreamError) {
      let parts = try parts()
      // Either all shards take the request, or none.
      for shard in Set(parts.map(\.shard)) where stream.shards[shard].isOverloaded {
        throw StreamError(
          .overloaded, "too many rows wait; try again later", shard: shard)
      }
      let others = request.rejected.isEmpty ? 0 : 1
      state.withLock { $0.waiting = parts.count + others }
      if parts.count + others == 0 { return finish() }
      for part in parts { submit(part.shard, part.batch) }
      if others > 0 { submitDeadLetters() }
    } catch {
      completion(.failure(error.adding(stream: "\(stream.definition.table)")))
    }
  }

  private func parts() throws(StreamError) -> [(shard: Int, batch: RecordBatch)] {
    guard !request.batches.isEmpty else { return [] }
    let schema = stream.inputSchema
    for batch in request.batches where batch.schema.fields.map(\.type) != schema.fields.map(\.type)
    {
      throw StreamError(
        .invalidArgument, "the rows are not in the stream's columns; ask for its schema again")
    }
    let turn = Int(truncatingIfNeeded: stream.environment.nowMicroseconds & 0xffff)
    var byShard: [Int: [RecordBatch]] = [:]
    for batch in request.batches where batch.rowCount > 0 {
      for part in try stream.router.routed(batch, producer: request.producer, turn: turn) {
        byShard[part.shard, default: []].append(part.batch)
      }
    }
    // One batch for each shard: a producer's stamp stands for one.
    var result: [(shard: Int, batch: RecordBatch)] = []
    do throws(ColumnarError) {
      for (shard, batches) in byShard.sorted(by: { $0.key < $1.key }) {
        result.append(
          (shard, batches.count == 1 ? batches[0] : try RecordBatch.concatenate(batches)))
      }
    } catch { throw StreamError(error) }
    // What is in the log must fit: it cannot be taken back.
    for part in result { try stream.shards[part.shard].memory.check(part.batch) }
    return result
  }

  private func submit(_ shard: Int, _ batch: RecordBatch) {
    let append = LogAppend(
      batch, ingestTime: stream.environment.nowMicroseconds, producer: request.producer)
    let bytes = batch.columns.reduce(64) { $0 + $1.byteCount }
    let pending = StreamShard.Pending(
      append: append, byteCount: bytes, isInOrder: request.isInOrder
    ) { [self] result in answer(shard, batch.rowCount, result) }
    do throws(StreamError) {
      try stream.shards[shard].submit(pending)
    } catch {
      return answer(shard, batch.rowCount, .failure(error))
    }
    stream.wake(shard)
  }

  private func answer(_ shard: Int, _ rows: Int, _ result: Result<LogReceipt, StreamError>) {
    let isLast = state.withLock { state in
      switch result {
      case .success(let receipt):
        state.offsets[shard] = receipt.offsets
        state.answers += 1
        if receipt.isRepeat { state.repeats += 1 }
      case .failure(let error):
        // `overloaded` promises that nothing was taken.
        let isPartial = error.code == .overloaded && state.waiting > 1
        state.error =
          isPartial
          ? StreamError(.storage, "some shards are overloaded; send the rows again", shard: shard)
          : error
      }
      state.waiting -= 1
      return state.waiting == 0
    }
    if case .success(let receipt) = result, !receipt.isRepeat {
      stream.counters.withLock { $0.appendedRows += Int64(rows) }
    }
    if isLast { finish() }
  }

  private func submitDeadLetters() {
    guard let target = stream.deadLetters else {
      state.withLock { $0.deadLetterCount = request.rejected.count }
      return answerDeadLetters(nil)
    }
    do throws(StreamError) {
      let batch = try DeadLetters.batch(
        request.rejected, of: stream.definition.table, now: stream.environment.nowMicroseconds)
      let count = request.rejected.count
      target.append(StreamAppend(batches: [batch], producer: request.producer)) { [self] result in
        switch result {
        case .success:
          state.withLock { $0.deadLetterCount = count }
          answerDeadLetters(nil)
        case .failure(let error): answerDeadLetters(error)
        }
      }
    } catch { answerDeadLetters(error) }
  }

  private func answerDeadLetters(_ error: StreamError?) {
    let (isLast, count) = state.withLock { state in
      state.error = state.error ?? error
      state.waiting -= 1
      return (state.waiting == 0, state.deadLetterCount)
    }
    stream.counters.withLock { $0.deadLetters += Int64(count) }
    if isLast { finish() }
  }

  private func finish() {
    let result: Result<StreamReceipt, StreamError> = state.withLock { state in
      if let error = state.error {
        return .failure(error.adding(stream: "\(stream.definition.table)"))
      }
      return .success(
        StreamReceipt(
          offsets: state.offsets, isRepeat: state.answers > 0 && state.repeats == state.answers,
          deadLetterCount: state.deadLetterCount))
    }
    completion(result)
  }
}
