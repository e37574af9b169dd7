// SPDX-License-Identifier: Apache-2.0

/// One line that tells how far a piece of work has come, on a terminal; nothing elsewhere.
final class Progress {
  private static let interval = Duration.milliseconds(80)

  private let clock = ContinuousClock()
  private let isShown: Bool
  private var lastShown: ContinuousClock.Instant?
  private var hasLine = false

  init(isShown: Bool = Terminal.errorIsTerminal) { self.isShown = isShown }

  /// - Parameters:
  ///   - fraction: 0 ... 1; `nil` when the end is not known.
  ///   - detail: called when the line is shown, at most a dozen times a second.
  func update(_ what: String, fraction: Double?, _ detail: () -> String) {
    guard isShown else { return }
    let now = clock.now
    if let lastShown, now - lastShown < Progress.interval { return }
    lastShown = now
    var line = "  \(what)  "
    if let fraction {
      let bar = Bars.bar(fraction, of: 1, width: 24)
      line += Style.error.cyan(bar) + Style.error.dim(String(repeating: "·", count: 24 - bar.count))
      line += TextWidth.padded(Numbers.percent(fraction, of: 1, decimals: 0), to: 6, .right)
    }
    line += "  " + detail()
    Terminal.writeError("\r\u{1b}[2K" + line)
    hasLine = true
  }

  /// Takes the line away.
  func clear() {
    if hasLine { Terminal.writeError("\r\u{1b}[2K") }
    hasLine = false
    lastShown = nil
  }
}
