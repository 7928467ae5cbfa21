"""What a person does to a job, from every screen that shows one: stop and restart."""

from ...agents.protocol.jobs import ENDED, JobSummary
from .confirm import ConfirmScreen
from .live import LiveScreen


class JobActions(LiveScreen):
    """A screen that knows which job is meant."""

    def chosen_job(self) -> JobSummary | None:
        """The job that is meant, for the screen to give."""
        raise NotImplementedError

    def action_stop(self) -> None:
        """Ask, then stop."""
        job = self.chosen_job()
        if job is None:
            return
        if job.state in ENDED:
            self.app.notify(f"job {job.id} has ended: {job.cause}", severity="warning")
            return
        self._ask(f"Stop job {job.id} ({job.name})?", "stop", job)

    def action_restart(self) -> None:
        """Ask, then restart."""
        job = self.chosen_job()
        if job is not None:
            again = "a new job like it" if job.state in ENDED else "a new attempt"
            self._ask(f"Restart job {job.id} ({job.name}): {again}?", "restart", job)

    def _ask(self, question: str, verb: str, job: JobSummary) -> None:
        app = self.console_app
        if not app.may_change():
            return

        async def done(answer: str | None) -> None:
            if answer is not None:
                client = await app.attempt(app.connected())
                if client is None:
                    return
                call = client.stop if verb == "stop" else client.restart
                told = await app.attempt(call(job.id))
                if isinstance(told, JobSummary) and told.id != job.id:
                    app.open_job(told.id)

        text = f"llmos {verb} {job.id}"
        app.push_screen(ConfirmScreen(question, text, [("y", verb.capitalize())]), done)
