"""The gateway as a process, before services that misbehave on demand."""
