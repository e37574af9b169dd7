// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Synchronization

/// The connections of a server: when there are too many, the one closes that has waited longest for
/// its client.
///
/// Clients keep connections open that they do not use, and attackers open as many as they can. If a full
/// server only stopped accepting, it would be out of reach until the idle ones time out.
final class OpenConnections: Sendable {
  private struct Connection {
    let channel: any Channel
    /// When it began to wait for a request; `nil` while a request is worked on.
    var waitingSince: UInt64?
  }

  private struct State {
    var connections: [ObjectIdentifier: Connection] = [:]
    /// Counts events; orders connections by the time that they wait.
    var clock: UInt64 = 0
  }

  private let state = Mutex(State())
  private let countMax: Int

  init(countMax: Int) { self.countMax = countMax }

  /// A connection is there. Closes another, or this one when all others are at work.
  func opened(_ channel: any Channel) {
    let victim = state.withLock { state -> (any Channel)? in
      state.clock += 1
      state.connections[ObjectIdentifier(channel)] = Connection(
        channel: channel, waitingSince: state.clock)
      guard state.connections.count > countMax else { return nil }
      // Linear, but only for a server that is full.
      let longest = state.connections.min {
        ($0.value.waitingSince ?? .max) < ($1.value.waitingSince ?? .max)
      }
      guard let longest else { return nil }
      state.connections[longest.key] = nil
      return longest.value.channel
    }
    victim?.close(promise: nil)
  }

  /// A request has arrived whole.
  func works(_ channel: any Channel) {
    state.withLock { $0.connections[ObjectIdentifier(channel)]?.waitingSince = nil }
  }

  /// Its answer is sent.
  func waits(_ channel: any Channel) {
    state.withLock {
      $0.clock += 1
      $0.connections[ObjectIdentifier(channel)]?.waitingSince = $0.clock
    }
  }

  func closed(_ channel: any Channel) {
    state.withLock { $0.connections[ObjectIdentifier(channel)] = nil }
  }
}
