"""Consumer of the worker that outlives the loss of its broker."""

from typing import Any

from celery.worker.consumer import Consumer


class LastingConsumer(Consumer):
    """Celery's consumer, but it gives nothing back to a broker that is away.

    Celery 5.7 closes the lost connection by giving back the messages of running tasks, for which
    it opens another connection from an address that it dropped a line before: AttributeError, and
    the worker ends. They need no giving back: what is not acknowledged within
    `visibility_timeout` is delivered anew.
    """

    task_consumer: Any  # None until the broker was reached

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        if self.task_consumer is not None:
            self.task_consumer.channel.do_restore = False
        super().on_connection_error_after_connected(exc)
