"""Asking models over HTTP: never twice, within caps, whatever is killed. Who asks says what for."""
