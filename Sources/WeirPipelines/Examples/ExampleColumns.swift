// SPDX-License-Identifier: Apache-2.0

/// Names of the columns of training examples, besides keys, features and labels.
public enum ExampleColumns {
  /// The place in the list that was served, from 0.
  public static let position = "position"
  /// The share of unlabelled rows that are kept; 1 for a labelled one.
  public static let samplingRate = "sampling_rate"
  public static let propensity = "propensity"
  /// Whether an example of this key was there before.
  public static let isCorrection = "is_correction"
  /// `served`, or `history`.
  public static let source = "source"

  static let own = [position, samplingRate, propensity, isCorrection, source]
}
