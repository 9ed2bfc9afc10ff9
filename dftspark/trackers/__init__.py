"""A published run in an experiment tracker: MLflow, Weights & Biases or Trackio."""
