// SPDX-License-Identifier: Apache-2.0

internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// Files are brought together, while all the rest goes on.
extension StreamSimulation {
  /// Writes new files, or commits those that were written a while ago.
  func compact() throws {
    let process = try open()
    if let held = compaction, held.process === process {
      compaction = nil
      // Files that wait for longer than orphans stay are gone.
      let age = (world.clock.now - held.start) / 1_000_000
      guard age < Self.orphanAgeMilliseconds / 2 else { return held.files.discard() }
      return try commit(held.files, of: process)
    }
    guard let files = try rewrite(by: process) else { return }
    if random.chance(0.5) {
      compaction = (files, process, world.clock.now)
      return
    }
    try commit(files, of: process)
  }

  /// Has new files wait for their commit.
  func holdCompaction() throws {
    let process = try open()
    guard compaction?.process !== process, let files = try rewrite(by: process) else { return }
    compaction = (files, process, world.clock.now)
  }

  private func rewrite(by process: SimulatedProcess) throws -> StreamCompaction? {
    do {
      let files = try StreamCompaction(process.stream, options())
      var count = 0
      while try files.rewrite() { count += 1 }
      note("compact: \(count) groups of \(files.result.sourceCount) files")
      return count > 0 ? files : nil
    } catch {
      note("compact failed: \(error)")
      return nil
    }
  }

  func options() -> CompactionOptions {
    var options = CompactionOptions()
    options.isFull = random.chance(0.6)
    options.runsTrigger = random.int(2...4)
    options.groupRowsMax = random.chance(0.3) ? 5 : 1_000
    if random.chance(0.2) { options.sortColumns = ["value"] }
    // Sorted rows of most groups are written in between.
    if options.isFull { options.sortBytesMax = 64 }
    return options
  }

  private func commit(_ files: StreamCompaction, of process: SimulatedProcess) throws {
    if random.chance(0.3) {
      nonisolated(unsafe) let simulation = self
      let isTakeover = stale == nil && random.chance(0.15)
      let isFilled = !backfills.isEmpty && random.chance(0.5)
      world.doMeanwhile {
        if isTakeover {
          simulation.takeOver()
        } else if isFilled {
          simulation.commitBackfill()
        } else {
          simulation.foreignCommit()
        }
      }
    }
    do {
      try files.commit()
      note("compacted: \(files.result)")
      counts.compactions += 1
      if process === stale, files.result.groupCount > 0 {
        throw fail("a compaction went on after a takeover")
      }
    } catch let failure as Failure { throw failure } catch {
      note("commit of a compaction failed: \(error)")
      if random.chance(0.5), !process.fate.isDead { files.discard() }
    }
    world.doMeanwhile(nil)
  }
}
